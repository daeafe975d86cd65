//! What a subject's choice does to a flow: the rights of the UK GDPR and the national data
//! opt-out, as the flow's own legal basis lets them reach.
//!
//! A function of the flow as its protocol says it, and of nothing else: who asks is told for
//! each flow which right applied and why, and learns nothing about whether any record is there.
//! Where a flow has several bases, one that lets a right reach is enough for it to stop, unless
//! another is a legal obligation, which none of them ends.
//!
//! | Choice | Reaches | What it does |
//! |---|---|---|
//! | withdrawal | consent asked, as a basis, or as what lifts confidentiality | as the flow says: stop or erase |
//! | objection (art 21) | art 6(1)(e) or (f), unless a legal obligation stands beside it | stop |
//! | restriction (art 18) | every flow | stop |
//! | erasure (art 17) | flows on consent, and others but those of art 17(3)(b) and (c) | erase |
//! | rectification (art 16) | the record that is named | stop, until it is sent anew |
//! | opt-out | confidential patient information under s.251 | stop |

use super::document::Flow;
use super::vocabulary::{
    Article6, Article9, Confidentiality, ConsentRule, LegalGateway, OnWithdrawal, closed,
};

closed! {
    /// What a subject may choose.
    pub enum Choice {
        Withdrawal = "withdrawal", "withdrawal of consent";
        Objection = "objection", "objection, art 21";
        Restriction = "restriction", "restriction of processing, art 18";
        Erasure = "erasure", "erasure, art 17";
        Rectification = "rectification", "rectification, art 16";
        OptOut = "opt_out", "national data opt-out";
    }
}

closed! {
    /// Why a choice reaches a flow, or does not.
    pub enum Ground {
        RestsOnConsent = "rests_on_consent", "the flow rests on the subject's consent";
        NotOnConsent = "not_on_consent", "the flow does not rest on consent";
        PublicTask = "public_task_or_interests", "the flow rests on a public task or legitimate interests, art 21(1)";
        LegalObligation = "legal_obligation", "a legal obligation asks for the flow: art 21 does not reach it";
        NoRightToObject = "no_right_to_object", "art 21 does not reach the flow's legal basis";
        Restricted = "restricted", "restriction reaches every flow, art 18(2)";
        RightToErasure = "right_to_erasure", "no exception of art 17(3) applies";
        ErasureLegalTask = "art17_3_b", "a legal obligation or a public task asks for the data, art 17(3)(b)";
        ErasurePublicHealth = "art17_3_c", "public health asks for the data, art 17(3)(c)";
        RecordOnly = "record_only", "rectification is about the record that is named alone";
        OptedOut = "opted_out", "confidential patient information under s.251, to which the opt-out applies";
        OptOutElsewhere = "not_under_s251", "the opt-out applies under s.251 alone";
    }
}

/// What a choice does to a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// Nothing.
    Nothing(Ground),
    /// The subject's records of the flow count no more, and none is taken.
    Stop(Ground),
    /// They are erased as well.
    Erase(Ground),
}

impl Effect {
    /// Its stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Nothing(_) => "nothing",
            Self::Stop(_) => "stop",
            Self::Erase(_) => "erase",
        }
    }

    /// Why.
    #[must_use]
    pub const fn ground(self) -> Ground {
        match self {
            Self::Nothing(ground) | Self::Stop(ground) | Self::Erase(ground) => ground,
        }
    }

    /// Whether it does anything.
    #[must_use]
    pub const fn reaches(self) -> bool {
        !matches!(self, Self::Nothing(_))
    }
}

impl Choice {
    /// The stored number, and its bit among [`Choices`].
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Withdrawal => 0,
            Self::Objection => 1,
            Self::Restriction => 2,
            Self::Erasure => 3,
            Self::Rectification => 4,
            Self::OptOut => 5,
        }
    }

    /// The choice of a stored number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|choice| choice.number() == number)
    }

    /// Whether it is about the subject, wherever it is named, and not about one record.
    #[must_use]
    pub const fn is_of_the_subject(self) -> bool {
        !matches!(self, Self::Rectification)
    }

    /// What it does to a flow.
    #[must_use]
    pub fn effect(self, flow: &Flow) -> Effect {
        let rests = |article: Article6| flow.basis.iter().any(|basis| basis.art6 == article);
        let obliged = rests(Article6::LegalObligation);
        match self {
            Self::Withdrawal if on_consent(flow) => match flow.on_withdrawal {
                OnWithdrawal::Stop => Effect::Stop(Ground::RestsOnConsent),
                OnWithdrawal::Erase => Effect::Erase(Ground::RestsOnConsent),
            },
            Self::Withdrawal => Effect::Nothing(Ground::NotOnConsent),
            Self::Objection if obliged => Effect::Nothing(Ground::LegalObligation),
            Self::Objection
                if rests(Article6::PublicTask) || rests(Article6::LegitimateInterests) =>
            {
                Effect::Stop(Ground::PublicTask)
            }
            Self::Objection => Effect::Nothing(Ground::NoRightToObject),
            Self::Restriction => Effect::Stop(Ground::Restricted),
            Self::Erasure if !obliged && on_consent(flow) => Effect::Erase(Ground::RestsOnConsent),
            Self::Erasure if obliged || rests(Article6::PublicTask) => {
                Effect::Nothing(Ground::ErasureLegalTask)
            }
            Self::Erasure if for_public_health(flow) => {
                Effect::Nothing(Ground::ErasurePublicHealth)
            }
            Self::Erasure => Effect::Erase(Ground::RightToErasure),
            Self::Rectification => Effect::Stop(Ground::RecordOnly),
            Self::OptOut if under_section_251(flow) => Effect::Stop(Ground::OptedOut),
            Self::OptOut => Effect::Nothing(Ground::OptOutElsewhere),
        }
    }
}

fn on_consent(flow: &Flow) -> bool {
    flow.consent == ConsentRule::Explicit
        || flow.confidentiality == Confidentiality::Consent
        || flow.basis.iter().any(|basis| {
            basis.art6 == Article6::Consent || basis.art9 == Some(Article9::ExplicitConsent)
        })
}

fn for_public_health(flow: &Flow) -> bool {
    let public = [Some(Article9::HealthOrSocialCare), Some(Article9::PublicHealth)];
    flow.basis.iter().any(|basis| public.contains(&basis.art9))
}

fn under_section_251(flow: &Flow) -> bool {
    flow.confidentiality == Confidentiality::Section251
        || flow.basis.iter().any(|basis| basis.gateway == LegalGateway::NhsAct2006S251)
}

/// A set of choices: which bind a flow, or which a subject has made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Choices(u8);

impl Choices {
    /// Those that bind whoever is named in a flow's records.
    #[must_use]
    pub fn binding(flow: &Flow) -> Self {
        let binding = Choice::ALL.iter().copied();
        let binding = binding.filter(|c| c.is_of_the_subject() && c.effect(flow).reaches());
        binding.fold(Self::default(), Self::with)
    }

    /// With one more.
    #[must_use]
    pub const fn with(self, choice: Choice) -> Self {
        Self(self.0 | 1 << choice.number())
    }

    /// Those of both.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether any is in both.
    #[must_use]
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}
