//! The turns of a protocol's life at the gateway: joined, revoked, amended, expired, unreadable.

use super::support::{TODAY, World, id};
use crate::{
    audit::{Leaf, LeafKind},
    domain::RecordType,
    gateway::{OpenStream, PageRequest, ProtocolFilter, ProtocolLine},
    protocol::{
        Adherence, Digest, Protocol, ProtocolVersion, Revoking, State,
        adherence::{Agreement, Joining, TakenAudience},
        document::Party,
        life::{Handling, RevocationReason},
        template::Template,
        vocabulary::{CallerRole, PartyRole},
    },
    store::{Effect, Rights, partners, protocols},
};
use jiff::civil::date;

fn digest(protocol: &Protocol) -> Digest {
    Digest::of(&protocol.canonical().unwrap())
}

impl World {
    /// The centres join the family services' protocol: they send referrals, too, and see a table.
    fn deed(&self, protocol: &Protocol) -> Adherence {
        let details = self.protocol(Template::Centres).parties[0].clone();
        let party = Party { role: PartyRole::Joint, ..details };
        let audience = TakenAudience {
            table: id("referrals"),
            role: CallerRole::DataOfficer,
            areas: vec![id("CC01")],
        };
        let joining = Joining { base: protocol, digest: digest(protocol) };
        let taken = (&[1][..], vec![audience]);
        Adherence::draft(joining, protocol, party, taken, date(2026, 6, 30)).unwrap()
    }

    fn revocation(&self, protocol: &Protocol, party: &str) -> Revoking {
        Revoking {
            schema: 1,
            revokes: Agreement {
                protocol: protocol.id.clone(),
                version: protocol.version,
                digest: digest(protocol),
            },
            party: id(party),
            handling: Handling::Freeze,
            reason: RevocationReason::PurposeEnded,
        }
    }

    async fn line(&self, protocol: &str) -> ProtocolLine {
        let found = self.gateway.protocol(&self.auditor(), &id(protocol), 0).await.unwrap();
        found.into_parts().0.line
    }

    /// Whether the partner may send referrals under the family services' protocol.
    async fn sends(&self, partner: &str) -> bool {
        let record_type: RecordType = id("referral");
        let columns = record_type.definition().fields().map(|field| field.name.to_owned());
        let open = OpenStream {
            protocol: "isp-families".to_owned(),
            version: 0,
            record_type: "referral".to_owned(),
            purpose: String::new(),
            columns: ["record_id", "extracted_at", "event_date"]
                .map(str::to_owned)
                .into_iter()
                .chain(columns)
                .collect(),
            extract_day: "2026-04-30".to_owned(),
            dry_run: true,
            blinding: None,
        };
        self.gateway.open_stream(self.provider(partner), open).await.is_ok()
    }

    async fn list(&self, filter: &ProtocolFilter) -> Vec<String> {
        let page = PageRequest::default();
        let listed = self.gateway.list_protocols(&self.auditor(), filter, &page).await.unwrap();
        let entries = listed.into_parts().0.entries;
        entries.into_iter().map(|line| format!("{} {}", line.protocol, line.version)).collect()
    }

    /// Puts another text, or another life, in place of the stored one.
    async fn spoil(&self, protocol: &str, change: impl Fn(&mut protocols::Entry)) {
        let before = self.gateway.snapshot().protocol(&id(protocol), 0).unwrap().stored.clone();
        let mut entry = before.clone();
        change(&mut entry);
        // A text comes with a signature: by its arrival a running gateway knows to read it.
        entry.arrivals.push(' ');
        let change = protocols::Change { entry, before: Some(before), superseded: None };
        let effect = Effect::PutProtocol(Box::new(change));
        let leaf = Leaf::new(LeafKind::ProtocolSubmitted, self.now());
        self.gateway.commit(leaf, effect, None).await.unwrap();
        self.gateway.reload().await.unwrap();
    }
}

const ALL: [&str; 3] = ["centres", "families", "authority"];

#[tokio::test]
async fn a_partner_joins_by_a_deed_that_all_have_signed() {
    let world = World::new().await;
    let protocol = world.in_force(Template::Families).await;
    assert!(world.sends("families").await && !world.sends("centres").await);
    let deed = world.deed(&protocol);
    let officer = world.officer();
    let refused = async |document: &str, reason: &str| {
        let answer = world.gateway.adhere_to_protocol(&officer, document).await;
        world.refused(answer, reason).await.fields().to_vec()
    };
    for left_out in ALL {
        let others: Vec<&str> = ALL.into_iter().filter(|party| *party != left_out).collect();
        refused(&world.signed(&deed, &others), "signatures_missing").await;
    }
    let mut short = deed.clone();
    short.agreed_by.remove(0);
    let said =
        refused(&world.signed(&short, &["centres", "authority"]), "signatures_missing").await;
    assert_eq!(said[0].1, "families has not signed");
    let mut elsewhere = deed.clone();
    elsewhere.audiences[0].areas = vec![id("CC99")];
    let said = refused(&world.signed(&elsewhere, &ALL), "malformed_document").await;
    assert!(said[0].1.starts_with("unknown_area"), "{said:?}");
    let mut wide = deed.clone();
    wide.audiences[0].role = CallerRole::Provider;
    let said = refused(&world.signed(&wide, &ALL), "malformed_document").await;
    assert_eq!(said[0].0, "/audiences/0/role");
    let mut late = deed.clone();
    late.valid_until = date(2026, 4, 30);
    let said = refused(&world.signed(&late, &ALL), "deed_too_late").await;
    assert_eq!(said[0].0, "/valid_until");
    let reader = world.actor("centres", &[CallerRole::Consumer]);
    let answer = world.gateway.adhere_to_protocol(&reader, &world.signed(&deed, &ALL)).await;
    world.refused(answer, "wrong_role").await;
    let mut other = deed.clone();
    other.adheres_to.digest = Digest::of(b"another");
    refused(&world.signed(&other, &ALL), "another_agreement").await;
    let stranger = world.gateway.adhere_to_protocol(&world.provider("health"), "{}").await;
    world.refused(stranger, "malformed_jws").await;
    let document = world.signed(&deed, &ALL);
    let stranger = world.gateway.adhere_to_protocol(&world.provider("health"), &document).await;
    world.refused(stranger, "not_a_party").await;
    assert!(!world.sends("centres").await);

    let centres = world.provider("centres");
    let line = world.gateway.adhere_to_protocol(&centres, &document).await.unwrap();
    assert_eq!(line.value().parties.last(), Some(&id("centres")));
    let leaf = world.last_leaf().await;
    assert_eq!((leaf.kind, leaf.notes.about), (LeafKind::ProtocolJoined, Some(id("centres"))));
    // The flow that it joined rests on telling its subjects: so does its own.
    assert!(!world.sends("centres").await);
    for record_type in Template::Families.record_types() {
        world.notice("centres", record_type, "").await;
    }
    assert!(world.sends("centres").await && world.sends("families").await);
    // Who is in reads it; its text and digest are those that all signed.
    let found = world.gateway.protocol(&centres, &id("isp-families"), 0).await.unwrap();
    assert_eq!(found.value().line.digest, *digest(&protocol).as_bytes());
    assert_eq!(found.value().papers, std::slice::from_ref(&document));
    // The same again changes nothing; another deed finds it in already.
    let epoch = world.gateway.snapshot().epoch();
    world.gateway.adhere_to_protocol(&centres, &document).await.unwrap();
    assert_eq!(world.gateway.snapshot().epoch(), epoch);
    let mut second = deed.clone();
    second.audiences.clear();
    refused(&world.signed(&second, &ALL), "already_a_party").await;

    // It leaves by its own officer's word, and does not come back.
    let revoking = world.signed(&world.revocation(&protocol, "centres"), &["centres"]);
    let line = world.gateway.revoke_protocol(&centres, &revoking).await.unwrap();
    assert_eq!(line.value().line.state, Some(State::Active));
    assert!(!world.sends("centres").await && world.sends("families").await);
    refused(&world.signed(&second, &ALL), "already_revoked").await;
}

#[tokio::test]
async fn an_amendment_includes_who_joined() {
    let world = World::new().await;
    let first = world.in_force(Template::Families).await;
    let document = world.signed(&world.deed(&first), &ALL);
    world.gateway.adhere_to_protocol(&world.officer(), &document).await.unwrap();
    let mut second = first.clone();
    second.version = ProtocolVersion::new(2).unwrap();
    second.supersedes = Some(digest(&first));
    second.rights.sar_days = 28;
    let submit = async |protocol: &Protocol, parties: &[&str]| {
        let document = world.signed(protocol, parties);
        world.gateway.submit_protocol(&world.officer(), &document).await
    };
    let answer = submit(&second, &["families", "authority"]).await;
    world.refused(answer, "party_left_out").await;
    second.parties.push(world.deed(&first).party);
    submit(&second, &ALL).await.unwrap();
    // The register keeps what changed, in words.
    let found = world.gateway.protocol(&world.auditor(), &id("isp-families"), 2).await.unwrap();
    let said: Vec<&str> = found.value().changes.iter().map(|c| c.sentence.as_str()).collect();
    // Against the protocol as it stood, with who had joined: it was a party, and sends no more.
    assert!(!said.iter().any(|s| s.contains("adds centres as joint controller")), "{said:?}");
    assert!(said.iter().any(|s| s.starts_with("removes the flow of referral from centres")));
    let days = "changes the days to answer a subject access request from 30 to 28";
    assert!(said.contains(&days), "{said:?}");
    let found = world.gateway.protocol(&world.auditor(), &id("isp-families"), 1).await.unwrap();
    assert!(found.value().changes.is_empty());
    assert_eq!(found.value().line.state, Some(State::Superseded));
}

#[tokio::test]
async fn an_expiry_is_noticed_at_the_days_turn_and_once() {
    let world = World::new().await;
    let protocol = world.in_force(Template::Families).await;
    world.in_force(Template::Health).await;
    let expired = async || {
        let leaves = world.leaves().await;
        leaves.iter().filter(|leaf| leaf.kind == LeafKind::ProtocolExpired).count()
    };
    world.set_day(protocol.expires);
    world.gateway.expire_protocols().await.unwrap();
    assert_eq!(expired().await, 0, "its last day is still its own");
    world.set_day(date(2027, 4, 1));
    let (one, two) =
        tokio::join!(world.gateway.expire_protocols(), world.gateway.expire_protocols());
    one.and(two).unwrap();
    world.gateway.expire_protocols().await.unwrap();
    assert_eq!(expired().await, 2);
    let life = world.gateway.snapshot();
    let life = &life.protocol(&protocol.id, 1).unwrap().verified.as_ref().unwrap().1;
    assert_eq!(life.state(), State::Expired);
    let late = world.gateway.suspend_protocol(&world.provider("families"), &protocol.id).await;
    world.refused(late, "state_forbids").await;
}

#[tokio::test]
async fn what_can_not_be_read_denies_and_shows() {
    for spoil in [
        (|entry: &mut protocols::Entry| entry.document.truncate(entry.document.len() / 2))
            as fn(&mut _),
        |entry| entry.document = "{}".to_owned(),
        |entry| {
            entry.document = entry.document.replacen("\"payload\": \"", "\"payload\": \"AAAA", 1);
        },
        |entry| entry.life = entry.life.replace("in_force", "immortal"),
        |entry| entry.life = entry.life.replace("\"families\"", "\"f\u{430}milies\""),
        |entry| entry.arrivals = "[]".to_owned(),
    ] {
        let world = World::new().await;
        world.in_force(Template::Families).await;
        assert!(world.sends("families").await);
        world.spoil("isp-families", spoil).await;
        assert!(!world.sends("families").await);
        let line = world.line("isp-families").await;
        assert_eq!(line.state, None);
        assert!(line.missing[0].contains("permits nothing"), "{line:?}");
        let all = ProtocolFilter { with_warnings: true, ..ProtocolFilter::default() };
        assert_eq!(world.list(&all).await, ["isp-families 1"]);
    }
}

#[tokio::test]
async fn what_was_verified_is_verified_again_when_a_key_changes() {
    let world = World::new().await;
    world.in_force(Template::Families).await;
    world.in_force(Template::Health).await;
    let mut tx = world.gateway.store().read(Rights::Figures).await.unwrap();
    let all = partners::all(&mut tx).await.unwrap();
    drop(tx);
    let whole = all.into_iter().find(|entry| entry.partner == id("families")).unwrap();
    let mut without: serde_json::Value = serde_json::from_str(&whole.json).unwrap();
    without["keys"] = serde_json::json!([]);
    let without = partners::Entry { json: without.to_string(), ..whole.clone() };
    let states = async || {
        let states = [world.line("isp-families").await.state, world.line("isp-health").await.state];
        states.map(|state| state.is_some())
    };
    let put = async |entry| {
        let leaf = Leaf::new(LeafKind::PartnerAdded, world.now());
        world.gateway.commit(leaf, Effect::PutPartner(entry), None).await.unwrap();
        world.gateway.reload().await.unwrap();
    };
    assert_eq!(states().await, [true, true]);
    put(without).await;
    assert_eq!(states().await, [false, true], "only what that key had signed");
    assert!(!world.sends("families").await);
    put(whole).await;
    assert_eq!(states().await, [true, true]);
    assert!(world.sends("families").await);
}

#[tokio::test]
async fn a_deed_that_can_not_be_read_denies_the_whole() {
    let world = World::new().await;
    let protocol = world.in_force(Template::Families).await;
    let mut deed = world.deed(&protocol);
    deed.flows[0].flow = 0;
    let document = world.signed(&deed, &ALL);
    let answer = world.gateway.adhere_to_protocol(&world.officer(), &document).await;
    let fields = world.refused(answer, "malformed_document").await.fields().to_vec();
    assert_eq!(fields[0].0, "/flows/0/flow");
    // As if it had been taken in by a program that did not look.
    let record = world.gateway.snapshot();
    let stored = record.protocol(&protocol.id, 1).unwrap().stored.clone();
    let entry = stored.clone();
    let turn = crate::store::papers::Turn {
        change: protocols::Change { entry, before: Some(stored), superseded: None },
        paper: Some(crate::store::papers::Paper {
            protocol: protocol.id.clone(),
            version: 1,
            digest: [8; 32],
            kind: crate::store::papers::Kind::Adherence,
            document,
            arrived: world.now().as_microsecond(),
        }),
        fate: None,
    };
    let leaf = Leaf::new(LeafKind::ProtocolJoined, world.now());
    world.gateway.commit(leaf, Effect::TurnProtocol(Box::new(turn)), None).await.unwrap();
    world.gateway.reload().await.unwrap();
    assert!(!world.sends("families").await && !world.sends("centres").await);
    assert_eq!(world.line("isp-families").await.state, None);
}

#[tokio::test]
async fn the_register_is_searched_and_warns() {
    let world = World::new().await;
    world.in_force(Template::Families).await;
    world.in_force(Template::Health).await;
    world.gateway.suspend_protocol(&world.provider("health"), &id("isp-health")).await.unwrap();
    let by = |words: &str| ProtocolFilter { words: words.to_owned(), ..ProtocolFilter::default() };
    assert_eq!(world.list(&by("")).await, ["isp-families 1", "isp-health 1"]);
    assert_eq!(world.list(&by("BIRTHS health")).await, ["isp-health 1"]);
    assert_eq!(world.list(&by("births families")).await, Vec::<String>::new());
    let party = ProtocolFilter { party: Some(id("families")), ..by("") };
    assert_eq!(world.list(&party).await, ["isp-families 1"]);
    let sent = ProtocolFilter { record_type: Some(RecordType::LiveBirth), ..by("") };
    assert_eq!(world.list(&sent).await, ["isp-health 1"]);
    let state = ProtocolFilter { state: Some(State::Suspended), ..by("") };
    assert_eq!(world.list(&state).await, ["isp-health 1"]);
    let warned = ProtocolFilter { with_warnings: true, ..by("") };
    assert!(world.list(&warned).await.is_empty());
    // Sixty days ahead the review shows; past it and near the end the words are others.
    world.set_day(date(2026, 8, 5));
    assert_eq!(world.line("isp-families").await.warnings, ["its review is due by 2026-09-30"]);
    assert_eq!(world.list(&warned).await.len(), 2);
    world.set_day(date(2027, 3, 1));
    let said = ["its review was due by 2026-09-30", "it ends on 2027-03-31"];
    assert_eq!(world.line("isp-families").await.warnings, said);
    let opened = OpenStream {
        protocol: "isp-families".to_owned(),
        version: 0,
        record_type: "referral".to_owned(),
        purpose: String::new(),
        columns: Vec::new(),
        extract_day: TODAY.to_string(),
        dry_run: true,
        blinding: None,
    };
    let columns: RecordType = id("referral");
    let mut all: Vec<String> =
        ["record_id", "extracted_at", "event_date"].map(str::to_owned).into();
    all.extend(columns.definition().fields().map(|field| field.name.to_owned()));
    let opened = OpenStream { columns: all, ..opened };
    let intake = world.gateway.open_stream(world.provider("families"), opened).await.unwrap();
    assert_eq!(intake.into_parts().0.protocol_warnings(), said, "whoever pushes is told, too");
}
