//! The tree against published vectors and a foreign implementation.

use super::{tree::*, *};
use base64::{Engine, engine::general_purpose::STANDARD};
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use proptest::prelude::*;
use sha2::Sha256;

const VECTORS: &str = include_str!("../../tests/vectors/rfc6962_proofs.json");

/// The entries of the certificate-transparency reference tree that the vectors speak of.
const REFERENCE: [&[u8]; 8] = [
    b"",
    b"\x00",
    b"\x10",
    b"\x20\x21",
    b"\x30\x31",
    b"\x40\x41\x42\x43",
    b"\x50\x51\x52\x53\x54\x55\x56\x57",
    b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
];

fn grown(leaves: &[Hash]) -> Appended {
    Frontier::empty().append(leaves).unwrap()
}

fn text(hash: &Hash) -> String {
    STANDARD.encode(hash.as_bytes())
}

fn proof_of(vector: &serde_json::Value) -> Vec<String> {
    let proof = vector["proof"].as_array().cloned().unwrap_or_default();
    proof.iter().map(|hash| hash.as_str().unwrap().to_owned()).collect()
}

/// The writer makes exactly the proofs that the valid vectors show, and of the invalid ones
/// none that it would make itself.
#[test]
fn the_writer_agrees_with_every_published_vector() {
    let vectors: serde_json::Value = serde_json::from_str(VECTORS).unwrap();
    let leaves = REFERENCE.map(leaf_hash);
    let tree = |size: u64| grown(&leaves[..usize::try_from(size).unwrap()]);
    let (mut seen, mut made) = (0, 0);
    for vector in vectors["inclusion"].as_array().unwrap() {
        seen += 1;
        let (index, size) =
            (vector["leafIdx"].as_u64().unwrap(), vector["treeSize"].as_u64().unwrap());
        let ours = (size <= 8).then(|| tree(size)).and_then(|tree| {
            let leaf = leaves.get(usize::try_from(index).ok()?)?;
            Some((text(&tree.root), text(leaf), tree.inclusion_proof(index).ok()?))
        });
        let same = ours.is_some_and(|(root, leaf, proof)| {
            root == vector["root"].as_str().unwrap()
                && leaf == vector["leafHash"].as_str().unwrap()
                && proof.iter().map(text).eq(proof_of(vector))
        });
        // One valid vector is a tree of a single leaf of another text.
        let foreign = vector["root"] == vector["leafHash"] && size == 1 && index == 0;
        assert!(same != vector["wantErr"].as_bool().unwrap() || foreign, "{}", vector["case"]);
        made += usize::from(same);
    }
    for vector in vectors["consistency"].as_array().unwrap() {
        seen += 1;
        let (old, new) = (vector["size1"].as_u64().unwrap(), vector["size2"].as_u64().unwrap());
        let same = old <= new && new <= 8 && {
            let after = tree(new);
            let proof = consistency_proof(&after.frontier, old, new)
                .or_else(|_| consistency_proof(&tile_set(&leaves), old, new));
            text(&tree(old).root) == vector["root1"].as_str().unwrap()
                && text(&after.root) == vector["root2"].as_str().unwrap()
                && proof.unwrap().iter().map(text).eq(proof_of(vector))
        };
        let foreign = vector["root1"] == vector["root2"] && old == 1 && new == 1;
        // What the size-zero vectors say of proofs is the verifier's business.
        let empty = old == 0;
        let valid = !vector["wantErr"].as_bool().unwrap();
        assert!(same == valid || foreign || empty, "{}", vector["case"]);
        made += usize::from(same && valid);
    }
    assert_eq!(seen, 196);
    assert!(made >= 10, "the valid vectors were met: {made}");
}

fn tile_set(leaves: &[Hash]) -> TileSet {
    let mut set = TileSet::default();
    let mut level_hashes = leaves.to_vec();
    for level in 0..3 {
        let tiles = level_hashes.chunks(TILE_WIDTH);
        for (index, hashes) in (0_u64..).zip(tiles.clone()) {
            set.insert(TileId { level, index }, hashes).unwrap();
        }
        level_hashes =
            tiles.filter(|tile| tile.len() == TILE_WIDTH).map(|tile| grown(tile).root).collect();
    }
    set
}

fn numbered(count: u64) -> (Vec<Hash>, MemoryBackedTree<Sha256, [u8; 8]>) {
    let mut oracle = MemoryBackedTree::new();
    let leaves = (0..count).map(|n| {
        oracle.push(n.to_be_bytes());
        leaf_hash(&n.to_be_bytes())
    });
    (leaves.collect(), oracle)
}

fn bytes(proof: &[Hash]) -> Vec<u8> {
    proof.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// In whatever steps a tree grows, root, proofs, new hashes and frontier are those of an
    /// implementation that is not ours.
    #[test]
    fn trees_grown_in_steps_are_those_of_a_foreign_implementation(
        steps in prop::collection::vec(1_u64..400, 1..8),
        at in any::<prop::sample::Index>(),
    ) {
        let total: u64 = steps.iter().sum();
        let (leaves, oracle) = numbered(total);
        let mut frontier = Frontier::empty();
        let mut stored = std::collections::BTreeMap::new();
        for step in &steps {
            let from = usize::try_from(frontier.size()).unwrap();
            let to = from + usize::try_from(*step).unwrap();
            let appended = frontier.append(&leaves[from..to]).unwrap();
            for new in &appended.new_hashes {
                prop_assert!(stored.insert((new.level, new.index), new.hash).is_none());
            }
            let at = from as u64 + at.index(to - from) as u64;
            let size = appended.frontier.size();
            let proof = appended.inclusion_proof(at).unwrap();
            let small = grown(&leaves[..to]);
            prop_assert_eq!(&proof, &small.inclusion_proof(at).unwrap());
            prop_assert_eq!(appended.root, small.root);
            let restored = Frontier::from_bytes(&appended.frontier.to_bytes()).unwrap();
            prop_assert_eq!(&restored, &appended.frontier);
            prop_assert_eq!(size, to as u64);
            frontier = restored;
        }
        let oracle_root = oracle.root();
        let root = frontier.root().unwrap();
        prop_assert_eq!(root.as_bytes().as_slice(), oracle_root.as_bytes().as_slice());
        // Proofs from what the store kept, fetched as the module says.
        let fetch = |ids: &std::collections::BTreeSet<TileId>| {
            let mut set = TileSet::default();
            for id in ids {
                let range = id.first()..id.first() + id.width(total) as u64;
                let hashes: Vec<Hash> = range.map(|n| stored[&(id.level, n)]).collect();
                set.insert(*id, &hashes).unwrap();
            }
            set
        };
        let index = at.index(usize::try_from(total).unwrap());
        let tiles = fetch(&tiles_for_inclusion(total, index as u64).unwrap());
        let proof = inclusion_proof(&tiles, total, index as u64).unwrap();
        let theirs = oracle.prove_inclusion(index);
        prop_assert_eq!(bytes(&proof), theirs.as_bytes().to_vec());
        if index > 0 {
            let tiles = fetch(&tiles_for_consistency(index as u64, total).unwrap());
            let proof = consistency_proof(&tiles, index as u64, total).unwrap();
            let theirs = oracle.prove_consistency(usize::try_from(total).unwrap() - index);
            prop_assert_eq!(bytes(&proof), theirs.as_bytes().to_vec());
        }
        let edge = fetch(&Frontier::tiles(total).into_iter().collect());
        prop_assert_eq!(Frontier::from_tiles(total, &edge).unwrap(), frontier);
    }
}

/// Three levels of tiles, over their borders.
#[test]
fn the_borders_of_tiles_are_crossed_rightly() {
    let (leaves, _) = numbered(65_536 + 257);
    let mut frontier = Frontier::empty();
    for (from, to) in
        [(0, 255), (255, 256), (256, 257), (257, 65_535), (65_535, 65_536), (65_536, 65_793)]
    {
        let appended = frontier.append(&leaves[from..to]).unwrap();
        let (_, oracle) = numbered(to as u64);
        assert_eq!(appended.root.as_bytes().as_slice(), oracle.root().as_bytes().as_slice());
        let proof = appended.inclusion_proof(from as u64).unwrap();
        assert_eq!(bytes(&proof), oracle.prove_inclusion(from).as_bytes());
        frontier = appended.frontier;
    }
    let top = Frontier::tiles(frontier.size());
    assert_eq!(top.last(), Some(&TileId { level: 2, index: 0 }));
}

#[test]
fn what_is_beyond_the_tree_is_refused() {
    let appended = grown(&[Hash::EMPTY_TREE; 3]);
    assert_eq!(appended.inclusion_proof(3), Err(AuditError::BeyondTree));
    assert_eq!(inclusion_proof(&TileSet::default(), u64::MAX, 1), Err(AuditError::BeyondTree));
    assert_eq!(consistency_proof(&TileSet::default(), 3, 2), Err(AuditError::BeyondTree));
    assert_eq!(consistency_proof(&TileSet::default(), 0, 2), Ok(vec![]));
    assert_eq!(
        inclusion_proof(&TileSet::default(), 3, 1),
        Err(AuditError::MissingHash { height: 0, index: 2 })
    );
    assert!(tiles_for_inclusion(MAX_LEAVES, MAX_LEAVES - 1).is_ok());
    assert_eq!(Frontier::empty().root(), Ok(Hash::EMPTY_TREE));
}

#[test]
fn damaged_frontiers_are_refused() {
    let bytes = grown(&[Hash::EMPTY_TREE; 300]).frontier.to_bytes();
    assert!(Frontier::from_bytes(&bytes).is_ok());
    assert_eq!(Frontier::from_bytes(&bytes[..bytes.len() - 1]), Err(AuditError::DamagedFrontier));
    assert_eq!(
        Frontier::from_bytes(&[&bytes[..], &[0]].concat()),
        Err(AuditError::DamagedFrontier)
    );
    assert_eq!(Frontier::from_bytes(&[0xff; 8]), Err(AuditError::DamagedFrontier));
    assert_eq!(Frontier::from_bytes(&[]), Err(AuditError::DamagedFrontier));
    let empty = Frontier::from_tiles(3, &TileSet::default());
    assert_eq!(empty, Err(AuditError::TileWidth { level: 0 }));
}

/// RFC 8032's first test key, so that anyone can repeat the bytes.
#[test]
fn a_checkpoint_is_written_byte_for_byte() {
    let seed = hex::decode("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
    let seed: [u8; 32] = seed.unwrap().try_into().unwrap();
    let name: LogName = "tallygate.example/demo/2026".parse().unwrap();
    let signer = LogSigner::from_seed(name, &seed).unwrap();
    let vectors: serde_json::Value =
        serde_json::from_str(include_str!("../../tests/vectors/checkpoints.json")).unwrap();
    assert_eq!(signer.vkey(), vectors["vkey"]);
    for vector in vectors["checkpoints"].as_array().unwrap() {
        let mut root = [0; 32];
        hex::decode_to_slice(vector["root"].as_str().unwrap(), &mut root).unwrap();
        let note = signer.sign_checkpoint(vector["size"].as_u64().unwrap(), &Hash::new(root));
        assert_eq!(note, vector["note"].as_str().unwrap());
    }
    let debug = format!("{signer:?}");
    assert_eq!(debug, "LogSigner { name: LogName(\"tallygate.example/demo/2026\"), .. }");
}

#[test]
fn names_that_would_break_a_note_are_refused() {
    for bad in ["", "has space", "a+b", "https://a.example/log", "a\nb", "l\u{f6}g", "a\"b"] {
        assert!(bad.parse::<LogName>().is_err(), "{bad}");
    }
}

#[test]
fn leaves_are_written_byte_for_byte() {
    let vectors: serde_json::Value =
        serde_json::from_str(include_str!("../../tests/vectors/leaves.json")).unwrap();
    let vectors = vectors["leaves"].as_array().unwrap();
    assert!(vectors.len() >= 5);
    for vector in vectors {
        let entry = vector["entry"].as_str().unwrap();
        let leaf = Leaf::decode(entry.as_bytes()).unwrap();
        assert_eq!(leaf.encode().unwrap(), entry.as_bytes());
        assert_eq!(leaf_hash(entry.as_bytes()).to_string(), vector["leaf_hash"]);
    }
}

/// A leaf with every field, before an implementation of RFC 8785 that is not ours.
#[test]
fn a_full_leaf_is_canonical() {
    let mut leaf = Leaf::refused(jiff::Timestamp::MAX, "some_reason".parse().unwrap());
    leaf.kind = LeafKind::ReleaseFrozen;
    leaf.partner = Some("authority".parse().unwrap());
    leaf.user = Some(UserPseudonym::new([0xab; 16]));
    leaf.purpose = Some("planning".parse().unwrap());
    leaf.legal_basis = Some("6(1)(e)".parse().unwrap());
    let (digest, id) = (Hash::EMPTY_TREE, "isp-health-2026".parse().unwrap());
    leaf.protocol = Some(ProtocolReference { digest, id, version: u32::MAX });
    leaf.clause = Some("flows[2].fields".parse().unwrap());
    leaf.area = Some("CC01".parse().unwrap());
    leaf.table = Some("engagement".parse().unwrap());
    leaf.indicator = Some("registered".parse().unwrap());
    leaf.size_class = Some(SizeClass::From10Million);
    leaf.partner_sequence = Some((1 << 53) - 1);
    leaf.detail = Some(digest);
    leaf.notes = Notes {
        about: Some("health".parse().unwrap()),
        accepted: Some(vec!["feed_stale".parse().unwrap(), "late_data".parse().unwrap()]),
        act: Some("close_quarter".parse().unwrap()),
        approval: Some(digest),
        batch: Some(digest),
        cause: Some("wrong_file".parse().unwrap()),
        document: Some(digest),
        key: Some("log-2026".parse().unwrap()),
        period: Some("2026Q1".parse().unwrap()),
        policy_epoch: Some(0),
        previous: Some(PreviousLog {
            origin: "tallygate.example/demo/2025".parse().unwrap(),
            root: digest,
            size: 1 << 40,
        }),
        record_type: Some(crate::domain::RecordType::LiveBirth),
        register: Some("protocols".parse().unwrap()),
        release: Some(digest),
        reviewed: Some(EntryRange { from: 0, until: 9 }),
        software: Some("tallygate/0.1.0".parse().unwrap()),
        stream: Some(123_456_789_012),
    };
    let entry = leaf.encode().unwrap();
    let value: serde_json::Value = serde_json::from_slice(&entry).unwrap();
    assert_eq!(value.as_object().unwrap().len(), 34);
    assert_eq!(serde_json_canonicalizer::to_vec(&value).unwrap(), entry);
    let read = Leaf::decode(&entry).unwrap();
    assert_eq!(read.encode().unwrap(), entry);
    assert_eq!((read.notes, read.protocol), (leaf.notes, leaf.protocol));
}

#[test]
fn erasing_an_item_leaves_commitment_and_neighbours() {
    let hash = |n: u8| detail::item_hash(&[n; 16], &[n, n]);
    let whole = Detail::new((0..5).map(hash).collect());
    let commitment = whole.commitment().unwrap();
    // What stays of an erased item is its hash alone.
    let erased = Detail::new((0..5).map(hash).collect());
    assert_eq!(erased.commitment().unwrap(), commitment);
    assert_eq!(whole.open(3), erased.open(3));
    assert_eq!(whole.open(5), Err(AuditError::BeyondTree));
    assert_ne!(detail::item_hash(&[1; 16], b"x"), detail::item_hash(&[2; 16], b"x"));
    assert_eq!(Detail::new(vec![]).commitment().unwrap(), Hash::EMPTY_TREE);
}

#[test]
fn a_year_that_stands_in_a_name_for_good_is_seen() {
    let year = |name: &str| name.parse::<LogName>().unwrap().fixed_year();
    assert_eq!(year("gateway.example/coventry/2026"), Some(2026));
    for name in
        ["gateway.example/{year}", "gateway.example/2026/a", "gateway.example", "g/20260", "g/+202"]
    {
        let fixed = name.parse::<LogName>().ok().and_then(|name| name.fixed_year());
        assert_eq!(fixed, None, "{name}");
    }
}
