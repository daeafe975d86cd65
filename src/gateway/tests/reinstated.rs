//! Suspended by one at once, and reinstated by the signed words of all: no token gives an office.

use super::support::{Signatory, World, id, partner_key, sign, unsigned};
use crate::{
    audit::LeafKind,
    gateway::{PartnerLine, ProtocolLine},
    keys::SigningKey,
    protocol::{
        CallerRole, Digest, ProtocolVersion, Reinstating, SignatoryRole, State,
        adherence::Agreement, register::KeyPurpose, template::Template,
    },
};
use rand::{SeedableRng, rngs::StdRng};

impl World {
    /// A word signed by the officer whose it is.
    fn spoken(&self, word: &Reinstating) -> String {
        let mut own = self.signatories.iter();
        let own = own.find(|s| s.partner == word.party && s.role == word.office).unwrap();
        sign::<Reinstating>(unsigned(word), own, own.role, self.now()).to_json().unwrap()
    }
}

#[tokio::test]
async fn a_party_suspends_at_once_and_all_resume_together() {
    let world = World::new().await;
    world.in_force(Template::Health).await;
    let protocol = id("isp-health");
    let health = world.provider("health");
    let outsider = world.gateway.suspend_protocol(&world.provider("centres"), &protocol).await;
    world.refused(outsider, "not_found").await;
    let manager = world.actor("health", &[CallerRole::Consumer]);
    world.refused(world.gateway.suspend_protocol(&manager, &protocol).await, "wrong_role").await;
    let line = world.gateway.suspend_protocol(&health, &protocol).await.unwrap();
    assert_eq!(line.value().state, Some(State::Suspended));
    assert!(line.value().missing.contains(&"health has suspended its part".to_owned()));
    assert_eq!(world.last_leaf().await.kind, LeafKind::ProtocolSuspended);
    let again = world.gateway.suspend_protocol(&health, &protocol).await;
    world.refused(again, "already_suspended").await;
    // A token alone is no officer's word.
    let bare = world.gateway.reinstate_protocol(&health, "").await;
    world.refused(bare, "malformed_jws").await;
    let (siro, guardian) = (SignatoryRole::Siro, SignatoryRole::CaldicottGuardian);
    let first = line.into_parts().0;
    let agree = async |who: &str, word: &Reinstating| {
        let document = world.spoken(word);
        let actor = if who == "authority" { world.officer() } else { world.provider(who) };
        world.gateway.reinstate_protocol(&actor, &document).await
    };
    let word = |line: &ProtocolLine, who: &str, office| Reinstating {
        schema: 1,
        reinstates: Agreement {
            protocol: line.protocol.clone(),
            version: ProtocolVersion::new(line.version).unwrap(),
            digest: Digest::from_bytes(line.digest),
        },
        suspension: line.suspension,
        suspended: line.suspended.clone(),
        party: id(who),
        office,
    };
    let line = agree("health", &word(&first, "health", siro)).await.unwrap();
    assert_eq!(line.value().state, Some(State::Suspended));
    assert!(line.value().missing.contains(&"to resume: authority has not signed".to_owned()));
    let leaf = world.last_leaf().await;
    assert_eq!(leaf.kind, LeafKind::ProtocolResumed);
    assert!(leaf.notes.document.is_some());
    // One office speaks for no other, one organisation for no other, and no word twice.
    let epoch = world.gateway.snapshot().epoch();
    agree("health", &word(&first, "health", siro)).await.unwrap();
    assert_eq!(world.gateway.snapshot().epoch(), epoch);
    let lent = world.spoken(&word(&first, "authority", siro));
    let lent = world.gateway.reinstate_protocol(&health, &lent).await;
    world.refused(lent, "not_your_organisation").await;
    let mut other = word(&first, "authority", siro);
    other.reinstates.digest = Digest::of(b"another");
    world.refused(agree("authority", &other).await, "another_agreement").await;
    let right = word(&first, "authority", siro);
    for other in [
        Reinstating { suspension: 2, ..right.clone() },
        Reinstating { suspended: vec![id("authority")], ..right.clone() },
    ] {
        world.refused(agree("authority", &other).await, "another_suspension").await;
    }
    agree("authority", &word(&first, "authority", siro)).await.unwrap();
    let line = agree("health", &word(&first, "health", guardian)).await.unwrap();
    assert_eq!(line.value().state, Some(State::Active));
    let idle = agree("health", &word(&first, "health", guardian)).await.unwrap();
    assert_eq!(idle.value().state, Some(State::Active), "the same word again changes nothing");
    // A later suspension needs words of its own.
    let second = world.gateway.suspend_protocol(&health, &protocol).await.unwrap().into_parts().0;
    assert_eq!(second.suspension, 2);
    agree("authority", &word(&first, "authority", siro)).await.unwrap();
    agree("health", &word(&first, "health", siro)).await.unwrap();
    let line = agree("health", &word(&first, "health", guardian)).await.unwrap();
    assert_eq!(line.value().state, Some(State::Suspended), "those were about the first");
    for (who, office) in [("authority", siro), ("health", siro), ("health", guardian)] {
        agree(who, &word(&second, who, office)).await.unwrap();
    }
    assert_eq!(world.state("isp-health", 1).await, Some(State::Active));
}

/// An officer who came after the agreement was signed agrees to nothing under it.
#[tokio::test]
async fn a_key_that_the_agreement_does_not_name_reinstates_nothing() {
    let world = World::new().await;
    world.in_force(Template::Families).await;
    let families = world.provider("families");
    let line = world.gateway.suspend_protocol(&families, &id("isp-families")).await.unwrap();
    let line = line.into_parts().0;
    let key = SigningKey::generate(&mut StdRng::seed_from_u64(78)).unwrap();
    let mut entry = world.entry("families");
    let (purpose, role) = (KeyPurpose::ProtocolSigning, SignatoryRole::Director);
    entry.keys.push(partner_key(key.verifying_key(), purpose, Some(role)));
    let entered = PartnerLine { partner: entry, disabled: false };
    world.gateway.put_partner(&world.officer(), entered).await.unwrap();
    let word = Reinstating {
        schema: 1,
        reinstates: Agreement {
            protocol: line.protocol.clone(),
            version: ProtocolVersion::FIRST,
            digest: Digest::from_bytes(line.digest),
        },
        suspension: line.suspension,
        suspended: line.suspended,
        party: id("families"),
        office: role,
    };
    let late = Signatory { partner: id("families"), key, role };
    let envelope = sign::<Reinstating>(unsigned(&word), &late, role, world.now());
    let answer = world.gateway.reinstate_protocol(&families, &envelope.to_json().unwrap()).await;
    world.refused(answer, "key_not_named").await;
}
