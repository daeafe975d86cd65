//! Privacy notices (UK GDPR art 14): that a sender tells subjects what it shares of theirs.
//!
//! A flow with `consent: notice` rests on being told. Its sender states which version of its
//! notice is in force for a record type, since when, and how it is given; a stream is let in only
//! while one is. Statements are kept as they were made; a later one about the same version takes
//! an earlier one's place, which is how a notice ends.

use super::vocabulary::closed;
use crate::domain::{PartnerId, RecordType};
use std::collections::HashMap;

closed! {
    /// How a privacy notice is given.
    pub enum NoticeMeans {
        Letter = "letter", "by letter or message to each subject";
        AtContact = "at_contact", "in person, when the data are collected";
        Leaflet = "leaflet", "in a leaflet that each subject gets";
        Website = "website", "on a website that each subject is pointed to";
    }
}

impl NoticeMeans {
    /// The stored number.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Letter => 1,
            Self::AtContact => 2,
            Self::Leaflet => 3,
            Self::Website => 4,
        }
    }

    /// From the stored number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|means| means.number() == number)
    }
}

/// A version of a sender's privacy notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivacyNotice {
    /// Whose.
    pub partner: PartnerId,
    /// For which records.
    pub record_type: RecordType,
    /// Its version, as the sender names it.
    pub version: String,
    /// How it is given.
    pub means: NoticeMeans,
    /// The first day that it is in force, days since 1970-01-01.
    pub since: i32,
    /// The last; `None` where it has none yet.
    pub until: Option<i32>,
}

/// The notices that senders have stated.
#[derive(Debug, Clone, Default)]
pub struct Notices(HashMap<(PartnerId, RecordType), Vec<PrivacyNotice>>);

impl Notices {
    /// From statements in the order in which they were made.
    #[must_use]
    pub fn new(stated: impl IntoIterator<Item = PrivacyNotice>) -> Self {
        let mut notices: HashMap<_, Vec<PrivacyNotice>> = HashMap::new();
        for notice in stated {
            let of = notices.entry((notice.partner.clone(), notice.record_type)).or_default();
            of.retain(|held| held.version != notice.version);
            of.push(notice);
        }
        Self(notices)
    }

    /// The notices of a sender about a record type, as last stated.
    #[must_use]
    pub fn of(&self, partner: &PartnerId, record_type: RecordType) -> &[PrivacyNotice] {
        self.0.get(&(partner.clone(), record_type)).map_or(&[], Vec::as_slice)
    }

    /// The notice that is in force on a day: of several the one stated last.
    #[must_use]
    pub fn in_force(
        &self,
        partner: &PartnerId,
        record_type: RecordType,
        day: i32,
    ) -> Option<&PrivacyNotice> {
        let holds = |notice: &&PrivacyNotice| {
            notice.since <= day && notice.until.is_none_or(|until| day <= until)
        };
        self.of(partner, record_type).iter().rev().find(holds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_statement_about_a_version_takes_the_place_of_an_earlier_one() {
        let (health, births) = ("health".parse().unwrap(), RecordType::LiveBirth);
        let stated = |version: &str, since, until| PrivacyNotice {
            partner: "health".parse().unwrap(),
            record_type: RecordType::LiveBirth,
            version: version.to_owned(),
            means: NoticeMeans::Website,
            since,
            until,
        };
        let notices = Notices::new([stated("1", 10, None), stated("2", 30, None)]);
        let version = |notices: &Notices, day| {
            notices.in_force(&health, births, day).map(|notice| notice.version.clone())
        };
        assert_eq!(version(&notices, 9), None);
        assert_eq!(version(&notices, 10).as_deref(), Some("1"));
        assert_eq!(version(&notices, 30).as_deref(), Some("2"));
        let ended = [stated("1", 10, None), stated("2", 30, None), stated("1", 10, Some(20))];
        let notices = Notices::new(ended);
        assert_eq!(version(&notices, 20).as_deref(), Some("1"));
        assert_eq!(version(&notices, 21), None);
        assert_eq!(notices.of(&health, births).len(), 2);
        assert!(notices.of(&health, RecordType::HealthReview).is_empty());
    }
}
