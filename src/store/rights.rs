//! What a transaction may do.

/// The rights that a transaction takes on. On PostgreSQL each is a database role (see the
/// migration `rights`); an embedded file knows none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rights {
    /// Staging records: writes them, sees what was sent and whom it belongs to, and can't
    /// read what records say.
    Intake,
    /// Registers, consents, releases and the access log, to look at; no records.
    Figures,
    /// The release builder's pass: reads records, writes nothing.
    Release,
    /// The small effects and the access log: no records; entries are added, never changed.
    Sequencer,
    /// Wrapping stored values under another version of the keys: reads and rewrites every
    /// keyed value, adds and removes nothing but copies of consents.
    Keys,
}

impl Rights {
    /// Every kind.
    pub const ALL: [Self; 5] =
        [Self::Intake, Self::Figures, Self::Release, Self::Sequencer, Self::Keys];

    /// The database role.
    #[must_use]
    pub const fn role(self) -> &'static str {
        match self {
            Self::Intake => "tallygate_intake",
            Self::Figures => "tallygate_figures",
            Self::Release => "tallygate_release",
            Self::Sequencer => "tallygate_sequencer",
            Self::Keys => "tallygate_keys",
        }
    }

    /// Begins a transaction that only reads, on one snapshot.
    pub(super) const fn begin_reading(self) -> &'static str {
        match self {
            Self::Intake => {
                "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL ROLE tallygate_intake"
            }
            Self::Figures => {
                "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL ROLE tallygate_figures"
            }
            Self::Release => {
                "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL ROLE tallygate_release"
            }
            Self::Sequencer => {
                "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL ROLE tallygate_sequencer"
            }
            Self::Keys => {
                "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL ROLE tallygate_keys"
            }
        }
    }

    /// Begins a transaction that writes.
    pub(super) const fn begin_writing(self) -> &'static str {
        match self {
            Self::Intake => "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL ROLE tallygate_intake",
            Self::Figures => {
                "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL ROLE tallygate_figures"
            }
            Self::Release => {
                "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL ROLE tallygate_release"
            }
            Self::Sequencer => {
                "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL ROLE tallygate_sequencer"
            }
            Self::Keys => "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL ROLE tallygate_keys",
        }
    }
}
