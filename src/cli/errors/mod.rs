//! `tallygate errors`: every reason that the gateway gives, what it means and what to do, as a page.
//!
//! A refusal's reason is a fixed word: in `ErrorInfo` in capital letters, in the access log as it
//! stands here. deploy/ERRORS.md is this page; a test compares them.

mod table;

use super::{CliError, Console, Outcome};
use crate::{
    identity::{CallerRefused, ClaimName, TokenRefused},
    protocol::Reason,
};
use std::fmt::Write as _;

const HELP: &str = "\
A refusal (of gRPC: ErrorInfo's reason, in capital letters) is one of these words, and stands in the
access log as it is here. What failed inside is no refusal: it has a request_id, for the operator.

Examples:
  tallygate errors
  tallygate errors --reason token_expired";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Errors {
    /// One reason alone.
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,
}

/// Every reason of a token.
const TOKENS: [TokenRefused; 19] = [
    TokenRefused::Missing,
    TokenRefused::Malformed,
    TokenRefused::WrongType,
    TokenRefused::AlgorithmNotAllowed,
    TokenRefused::CriticalHeader,
    TokenRefused::HeaderNotAllowed,
    TokenRefused::WrongIssuer,
    TokenRefused::UnknownKey,
    TokenRefused::RevokedKey,
    TokenRefused::BadSignature,
    TokenRefused::ClaimMissing(ClaimName::Exp),
    TokenRefused::ClaimInvalid(ClaimName::Exp),
    TokenRefused::WrongAudience,
    TokenRefused::Expired,
    TokenRefused::NotYetValid,
    TokenRefused::LifetimeTooLong,
    TokenRefused::Unbound,
    TokenRefused::BoundToAnotherCertificate,
    TokenRefused::WrongNonce,
];

/// What to do about a token; its own sentence says what it means.
const fn token_remedy(refused: TokenRefused) -> &'static str {
    match refused {
        TokenRefused::Missing => "send one with each call; `tallygate token` makes one",
        TokenRefused::WrongIssuer | TokenRefused::UnknownKey | TokenRefused::RevokedKey => {
            "have the token key entered in the register (`tallygate partner add`), and name its id"
        }
        TokenRefused::Expired | TokenRefused::NotYetValid => {
            "make a new one; set the machine's clock right"
        }
        TokenRefused::BoundToAnotherCertificate => {
            "make one for the certificate of this connection"
        }
        TokenRefused::WrongNonce => "sign in again",
        _ => "make it as the guide for partners says, or by `tallygate token`",
    }
}

/// What to do about a decision.
const fn decision_remedy(reason: Reason) -> &'static str {
    match reason {
        Reason::ProtocolNotActive
        | Reason::ProtocolSuspended
        | Reason::ProtocolRevoked
        | Reason::ProtocolNotYetEffective
        | Reason::ProtocolExpired
        | Reason::ProtocolSuperseded => {
            "`tallygate protocol show` says where it stands, and who is waited for"
        }
        Reason::FieldNotListed => "leave the column out",
        Reason::RequiredFieldMissing | Reason::ConsentMissing => "send it",
        Reason::NoticeMissing => "state your privacy notice (`tallygate consent notice`)",
        Reason::ConsentNotGiven | Reason::ConsentNotCovering => {
            "record the consent as it stands (`tallygate consent record`), or leave the row out"
        }
        Reason::EventDateOutsideTerm | Reason::EventTooOld => "leave the row out",
        Reason::ExtractTooLate => "make a new extract",
        Reason::UnknownRecordType => "`tallygate record list` has the types",
        Reason::ProtocolUnreadable => "ask the operator",
        Reason::RootPolicyMissing => "have one signed by all controllers",
        _ => "`tallygate protocol show` has its clauses; others are agreed by all parties",
    }
}

/// A chapter of the page: its title, and its reasons.
type Chapter = (&'static str, Vec<(String, String, String)>);

fn chapters() -> Vec<Chapter> {
    let own = |lines: &[table::Line]| {
        let text = |(reason, meaning, remedy): &table::Line| {
            ((*reason).to_owned(), (*meaning).to_owned(), (*remedy).to_owned())
        };
        lines.iter().map(text).collect::<Vec<_>>()
    };
    let tokens = TOKENS.map(|token| {
        let refused = CallerRefused::Token(token);
        let meaning = match token {
            TokenRefused::ClaimMissing(_) => {
                "the token lacks a claim that it must carry".to_owned()
            }
            TokenRefused::ClaimInvalid(_) => {
                "a claim of the token has a form that is not allowed".to_owned()
            }
            _ => token.to_string(),
        };
        (refused.reason().to_owned(), meaning, token_remedy(token).to_owned())
    });
    let told = Reason::ALL.iter().copied().filter(|reason| reason.told() == *reason);
    let decisions = told.map(|reason| {
        let words = reason.words().trim_end_matches('.');
        let mut letters = words.chars();
        let first = letters.next().map(|first| first.to_lowercase().to_string());
        let meaning = first.unwrap_or_default() + letters.as_str();
        (reason.code().to_owned(), meaning, decision_remedy(reason).to_owned())
    });
    vec![
        ("Who calls", own(table::CALLERS)),
        ("Access tokens", tokens.into()),
        ("What is asked", own(table::REQUESTS)),
        ("What protocols allow", decisions.collect()),
        ("Records and streams", own(table::INTAKE)),
        ("Protocols, policies, signatures", own(table::PAPERS)),
        ("Releases and figures", own(table::FIGURES)),
        ("Partners, keys, cases, the access log", own(table::OFFICE)),
        ("What failed inside", own(table::FAILURES)),
    ]
}

/// The page.
fn page() -> String {
    let mut page = String::from(
        "# What the gateway says no with\n\n\
         `tallygate errors` prints this page. A refusal's reason is in `google.rpc.ErrorInfo`, in capital\n\
         letters, with the clause that refused and the call's `request_id`; a receipt proves that the\n\
         refusal is in the access log. What was wrong with single rows of a batch stands in its\n\
         acknowledgement, row by row, with the rule (`tallygate record show` lists them).\n",
    );
    for (title, lines) in chapters() {
        // Writing into a String can't fail.
        let _ = write!(page, "\n## {title}\n\n| Reason | Meaning | What to do |\n|---|---|---|\n");
        for (reason, meaning, remedy) in lines {
            let _ = writeln!(page, "| `{reason}` | {meaning} | {remedy} |");
        }
    }
    page
}

impl Errors {
    pub(super) fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let Some(sought) = self.reason else {
            console.text(&page())?;
            return Ok(Outcome::Done);
        };
        let sought = sought.to_ascii_lowercase();
        let lines = chapters().into_iter().flat_map(|(_, lines)| lines);
        let mut found = false;
        for (reason, meaning, remedy) in lines {
            if reason.to_ascii_lowercase() == sought {
                console.text(&format!("{reason}: {meaning}\n  {remedy}\n"))?;
                found = true;
            }
        }
        if !found {
            console.note("there is no such reason");
        }
        Ok(Outcome::findings(!found))
    }
}
