//! The same protocols in a database: how long until a change bites on a gateway that did not make it.

use super::{
    super::{
        BenchError, Row,
        sample::{Memory, Sample, row},
        site::Scratch,
    },
    AREAS, CHANGES, PARTNERS, TODAY, WHOLE,
    region::{Region, area, partner},
};
use crate::{
    audit::{Leaf, LeafKind, LogSigner},
    disclosure::Catalogue,
    domain::time::{days_after, epoch_day},
    gateway::{
        Gateway, Quotas, Setup, Witnesses,
        register::{Partner, PartnerKey},
    },
    keys::{MasterKeys, SigningKey},
    protocol::{CallerRole, Entry, register::KeyPurpose},
    server::system_rng,
    store::{Act, Effect, Store, geography, partners, protocols},
};
use jiff::civil::date;
use std::{
    collections::{BTreeMap, BTreeSet},
    hint::black_box,
    sync::Arc,
    time::Instant,
};

impl Region {
    /// How long it takes until a change is in the policy of a gateway that did not make it: of one
    /// protocol, and of the places, by which everything is compiled anew; beside the bare reading
    /// of the same documents' JSON. (It bites at once: what was decided under the policy before
    /// can't be committed any more.)
    pub(super) async fn rebuild(
        &self,
        scratch: &mut Scratch,
        count: usize,
        say: &mut dyn FnMut(&str),
    ) -> Result<[Row; 2], BenchError> {
        say("protocols: the same in a database, and a change");
        let store = scratch.store("protocols").await?;
        let (gateway, sequencer) = Gateway::start(self.setup(store.clone())?).await?;
        let commit = async |kind, effect| {
            let leaf = Leaf::new(kind, self.now);
            let act = Act { leaf, effect, epoch: None };
            gateway.sequencer().commit(act).await.map(drop)
        };
        for number in 0..PARTNERS {
            commit(LeafKind::PartnerAdded, Effect::PutPartner(self.partner_entry(number)?)).await?;
        }
        commit(LeafKind::AreasLoaded, Effect::PutGeography(geography()?)).await?;
        let mut texts = Vec::with_capacity(count);
        for number in 0..count {
            let entry = self.stored(number)?;
            texts.push(entry.document.clone());
            let change = protocols::Change { entry, before: None, superseded: None };
            commit(LeafKind::ProtocolActivated, Effect::PutProtocol(Box::new(change))).await?;
        }
        gateway.reload().await?;
        let begun = Instant::now();
        for text in &texts {
            black_box(serde_json::from_str::<serde_json::Value>(text).is_ok());
        }
        let bare = begun.elapsed();
        let reload = async |sample: &mut Sample| {
            let begun = Instant::now();
            let snapshot = gateway.reload().await?;
            sample.calls.push(begun.elapsed());
            match snapshot.policy().faults().is_empty() && snapshot.protocols().count() == count {
                true => Ok(()),
                false => Err(BenchError::CutShort),
            }
        };
        let (mut one, mut all) = (Sample::default(), Sample::default());
        let memory = Memory::watch();
        for number in 0..CHANGES {
            let entry = self.stored(number % count)?;
            let entry = protocols::Entry { arrivals: format!("{} ", entry.arrivals), ..entry };
            let before = Some(Self::held(&gateway, number % count)?);
            let change = protocols::Change { entry, before, superseded: None };
            commit(LeafKind::ProtocolActivated, Effect::PutProtocol(Box::new(change))).await?;
            reload(&mut one).await?;
            commit(LeafKind::AreasLoaded, Effect::PutGeography(geography()?)).await?;
            reload(&mut all).await?;
        }
        let peak = memory.peak_mib();
        drop(gateway);
        // It ends with the last handle on its queue.
        let _ = sequencer.await;
        store.close().await;
        let line = |name, sample: &Sample| {
            let figures = (sample.percentile_ms(50), bare.as_secs_f64() * 1e3);
            row((name, "ms"), scratch.engine(), figures, sample, peak)
        };
        Ok([line("protocols_change", &one), line("protocols_rebuild", &all)])
    }

    /// A document as the gateway has it.
    fn held(gateway: &Gateway, number: usize) -> Result<protocols::Entry, BenchError> {
        let snapshot = gateway.snapshot();
        let id = format!("isp-{number}").parse()?;
        let record = snapshot.protocol(&id, 1).ok_or(BenchError::CutShort)?;
        Ok(record.stored.clone())
    }

    /// A gateway of nothing but what it decides by.
    fn setup(&self, store: Store) -> Result<Setup, BenchError> {
        let mut rng = system_rng();
        let now = self.now;
        let log = LogSigner::from_seed("bench.example/protocols".parse()?, &[7; 32])?;
        Ok(Setup {
            store,
            log,
            keys: MasterKeys::generate(&mut rng),
            key_file: None,
            release_key: SigningKey::generate(&mut rng)?,
            catalogue: Catalogue::shipped()?,
            witnesses: Arc::new(Witnesses::none()),
            quotas: Quotas::default(),
            now: Arc::new(move || now),
            rng,
        })
    }

    fn partner_entry(&self, number: usize) -> Result<partners::Entry, BenchError> {
        let own = self.signers.iter().skip(number * 2).take(2);
        let keys = own.map(|(key, registered)| PartnerKey {
            jwk: key.verifying_key().to_jwk(),
            purpose: KeyPurpose::ProtocolSigning,
            role: Some(registered.role),
            valid_from: days_after(TODAY, -365),
            valid_until: days_after(TODAY, 365),
        });
        let id = partner(number)?;
        let entry = Partner {
            partner: id.clone(),
            name: id.to_string(),
            org_code: "RKB01".to_owned(),
            ico_registration: "Z1234567".to_owned(),
            roles: CallerRole::ALL.iter().copied().collect(),
            areas: BTreeSet::new(),
            certificates: Vec::new(),
            keys: keys.collect(),
        };
        let json = serde_json::to_string(&entry).map_err(|_| BenchError::CutShort)?;
        Ok(partners::Entry { partner: id, json, disabled: false })
    }

    /// A signed document as a store has it.
    fn stored(&self, number: usize) -> Result<protocols::Entry, BenchError> {
        let Entry::FullySigned(signed, life) = self.signed(number)? else {
            return Err(BenchError::CutShort);
        };
        let arrived = self.now.as_microsecond();
        let kids = signed.document().parties.iter().flat_map(|party| &party.keys);
        let arrivals: BTreeMap<&str, i64> = kids.map(|kid| (kid.as_str(), arrived)).collect();
        let unwritable = |_| BenchError::CutShort;
        Ok(protocols::Entry {
            protocol: signed.document().id.clone(),
            version: 1,
            life: serde_json::to_string(&life).map_err(unwritable)?,
            arrivals: serde_json::to_string(&arrivals).map_err(unwritable)?,
            digest: *signed.digest().as_bytes(),
            document: signed.envelope().to_json().map_err(|_| BenchError::CutShort)?,
        })
    }
}

/// The areas as a gateway has them loaded.
fn geography() -> Result<geography::Entry, BenchError> {
    let entry = |code: &str, level: &str, parent: Option<&str>, lsoas: Vec<String>| {
        serde_json::json!({ "code": code, "name": code, "level": level, "parent": parent,
            "lsoas": lsoas, "under_fives": 1_000 })
    };
    let mut areas = vec![entry(WHOLE, "authority", None, Vec::new())];
    areas.push(entry("CL1", "cluster", Some(WHOLE), Vec::new()));
    for number in 0..AREAS {
        let lsoas = (0..10).map(|n| format!("E01{:06}", 9_000 + number * 10 + n)).collect();
        areas.push(entry(area(number)?.as_str(), "reach_area", Some("CL1"), lsoas));
    }
    let json = serde_json::to_string(&areas).map_err(|_| BenchError::CutShort)?;
    Ok(geography::Entry { valid_from: epoch_day(date(2024, 4, 1)), json })
}
