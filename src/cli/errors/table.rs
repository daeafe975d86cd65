//! The reasons that use cases give, and what to do about each. (Those of decisions and of tokens are
//! closed lists of their own rooms, and are told from there.) A test reads the sources for reasons
//! and fails on one that is not here, and every refusal that any test meets must be.

/// A reason, what it means, what to do.
pub(super) type Line = (&'static str, &'static str, &'static str);

/// Of the certificate and the register, before anything is asked.
pub(super) const CALLERS: &[Line] = &[
    (
        "certificate_not_registered",
        "no partner has entered the connection's certificate",
        "have your data officer enter its fingerprint (`tallygate partner add`)",
    ),
    (
        "certificate_not_trusted",
        "the certificate expired, its authority revoked it, or the authority is trusted no more",
        "get a new certificate, and have it entered",
    ),
    (
        "certificate_revoked",
        "the partner is barred in the register, or was while this went on",
        "ask the authority's data officer",
    ),
    (
        "organisation_barred",
        "the organisation of whoever signed in is not in the register, or is barred",
        "ask the authority's data officer",
    ),
    (
        "register_changed",
        "what the register says of the caller changed while this went on",
        "begin again",
    ),
    (
        "token_partner_mismatch",
        "certificate and token are of two partners",
        "use the profile whose certificate and token key belong together",
    ),
    (
        "wrong_role",
        "the caller's role may not do this",
        "use a token with the role that may; the register bounds which you may have",
    ),
    (
        "form_not_yours",
        "a page's form was sent from another site, or after a new sign-in",
        "open the page again",
    ),
    (
        "sign_in_not_fresh",
        "a quarter is closed from a page only within ten minutes of signing in",
        "open the quarter's page again, and sign in from there",
    ),
];

/// Of requests, whatever they ask.
pub(super) const REQUESTS: &[Line] = &[
    (
        "invalid_argument",
        "a field is malformed; `BadRequest` names it and the rule",
        "correct the field",
    ),
    (
        "not_found",
        "it is not there, or not yours to know",
        "check the name; both cases look the same",
    ),
    (
        "second_person_needed",
        "this takes two people, and one has asked",
        "another person in that role makes the same call",
    ),
    (
        "look_in_progress",
        "everything that is kept is being looked at for another call",
        "try again when that has ended",
    ),
    (
        "witness_quorum_missing",
        "too few witnesses have cosigned the access log",
        "figures wait; everything else goes on",
    ),
    (
        "witness_contradicts",
        "a witness has seen another access log",
        "only suspensions, revocations and withdrawals go on until the operator has settled it",
    ),
];

/// Of records and streams.
pub(super) const INTAKE: &[Line] = &[
    ("stream_undone", "the stream was taken back by its sender", "open another one"),
    ("nothing_to_undo", "no accepted batch of the stream is left", "nothing"),
    (
        "statements_stay",
        "statements about consents are not taken back with their stream",
        "state what holds now",
    ),
    (
        "no_declared_feed",
        "the partner blinds, and the operator knows no feed of it",
        "tell the operator how many records a day you send (`[[blinding.feed]]`)",
    ),
    (
        "evaluation_quota",
        "the day's evaluations are used up",
        "go on tomorrow, or have the declared number raised",
    ),
    (
        "not_a_blinded_deployment",
        "this gateway's keys are not for blinding",
        "send identifiers over TLS as they are",
    ),
    (
        "other_blinding_key",
        "the rows were blinded for another deployment",
        "pin this gateway's key in the profile (`blinding_key`)",
    ),
    (
        "other_rules",
        "the rows were keyed by other rules than the gateway's",
        "use the connector of the gateway's version",
    ),
    (
        "statements_are_not_blinded",
        "statements about consents are sent in clear, by references of your own",
        "open the stream without blinding",
    ),
];

/// Of protocols, policies and signatures.
pub(super) const PAPERS: &[Line] = &[
    (
        "malformed_document",
        "the document breaks a rule; the violation says where",
        "correct it, and have it signed anew",
    ),
    (
        "malformed_jws",
        "the signed document is not a General JWS in JSON",
        "sign with `tallygate protocol sign`, or see the guide for partners",
    ),
    ("malformed_header", "a signature's header is not what it must be", "as for `malformed_jws`"),
    ("unknown_critical", "a signature's `crit` names something unknown", "sign without it"),
    ("unknown_algorithm", "a signature is not Ed25519", "sign with Ed25519"),
    ("wrong_type", "a signature was given to another kind of document", "sign this document"),
    (
        "payload_differs",
        "another document is registered under this id and version",
        "give yours a new version",
    ),
    ("unsigned", "the document has no signature", "have it signed"),
    (
        "unregistered_key",
        "a signature's key is not in the register",
        "have the key entered before it signs",
    ),
    (
        "wrong_purpose",
        "a signature's key is registered for another purpose",
        "sign with a key that is for protocols",
    ),
    (
        "wrong_party",
        "a signature's key is not that of the party it names",
        "sign as your own party",
    ),
    (
        "wrong_office",
        "the key, or the caller, does not hold the office that this takes",
        "have the right office sign or ask",
    ),
    ("signatory_not_a_party", "a signature is of somebody who is no party", "leave it out"),
    (
        "signatory_barred",
        "a signature is of a partner that is barred",
        "ask the authority's data officer",
    ),
    (
        "key_not_named",
        "the document does not name the key of a signature",
        "name it, and have all sign anew",
    ),
    ("key_not_yet_valid", "a signature's key was not yet valid", "sign again within its days"),
    ("key_expired", "a signature's key had expired", "sign with a new key"),
    ("key_revoked", "a signature's key had been revoked", "sign with another key"),
    (
        "signed_in_future",
        "a signature's time lies in the future",
        "set the signing machine's clock right, and sign again",
    ),
    ("duplicate_signature", "one key has signed more than once", "leave one of them out"),
    (
        "signature_does_not_verify",
        "some byte was changed after signing",
        "fetch the document again",
    ),
    ("signing_failed", "a key could not sign", "see whether its file is whole"),
    ("signatures_missing", "not everyone who must sign has", "the violations name who is missing"),
    (
        "signed_before_revocation",
        "the new version was signed before the last one's part was revoked",
        "have it signed anew",
    ),
    (
        "party_left_out",
        "a party of the version before is missing",
        "name it, or let it revoke its part first",
    ),
    ("controller_left_out", "a controller of the policy before is missing", "name it"),
    (
        "not_a_controller",
        "the caller is none of the policy's controllers",
        "a controller hands it in",
    ),
    ("not_a_party", "the paper is of an organisation that is no party", "a party hands it in"),
    ("not_your_organisation", "the act is another organisation's", "it acts for itself"),
    (
        "another_agreement",
        "the paper is of another protocol than the one named",
        "hand it in where it belongs",
    ),
    (
        "another_suspension",
        "the paper ends another suspension than the one that stands",
        "write it for the number that `protocol show` prints",
    ),
    ("deed_too_late", "the deed was signed too long ago", "have it signed anew"),
    ("already_a_party", "the organisation is a party already", "nothing"),
    ("already_suspended", "your organisation has suspended its part already", "nothing"),
    ("already_revoked", "your organisation has revoked its part", "a new version begins it again"),
    ("not_expired", "the protocol has not expired", "nothing"),
    (
        "state_forbids",
        "the protocol's state does not allow this",
        "`tallygate protocol show` says where it stands",
    ),
    ("not_yet_effective", "the document's first day has not come", "hand it in from that day on"),
    ("supersedes_unknown", "the version that it replaces is not there", "correct `supersedes`"),
    (
        "supersedes_not_in_force",
        "the version that it replaces is not in force",
        "replace the one that is",
    ),
    (
        "protocol_unreadable",
        "what is stored can't be verified any more, so it permits nothing",
        "ask the operator",
    ),
    ("limits_too_loose", "the policy allows more than the shipped limits", "lower them"),
    (
        "unknown_table",
        "the policy names a table that the catalogue has not",
        "take its name from `tallygate catalogue show`",
    ),
    (
        "other_catalogue",
        "the policy was signed for another catalogue",
        "sign one for this catalogue's digest",
    ),
];

/// Of releases and figures.
pub(super) const FIGURES: &[Line] = &[
    (
        "root_policy_missing",
        "no root disclosure policy is in force",
        "have one signed by all controllers",
    ),
    (
        "catalogue_not_signed",
        "the policy is for another catalogue",
        "sign one for this catalogue's digest",
    ),
    (
        "quarter_still_open",
        "the quarter has not ended, or its records may still come",
        "wait for the day that the preview names",
    ),
    ("later_quarter_released", "a later quarter is released", "quarters are closed in their order"),
    (
        "already_released",
        "the quarter is released, and a release never changes",
        "withdraw it if it is wrong",
    ),
    ("already_withdrawn", "the release is withdrawn already", "nothing"),
    (
        "no_areas",
        "no areas are in force on the quarter's last day",
        "load them (`tallygate area load`)",
    ),
    ("no_geography", "no areas are loaded", "load them (`tallygate area load`)"),
    ("noise_below_policy", "a table's noise is less than the policy wants", "raise its variance"),
    (
        "display_not_supported",
        "the policy wants figures shown in a way that this version has not",
        "have the policy ask for one it has",
    ),
    (
        "over_quarterly_budget",
        "the release would cost more than a quarter may",
        "fewer tables, or more noise: `tallygate catalogue cost`",
    ),
    (
        "over_lifetime_budget",
        "going on so would cost a life more than is allowed",
        "fewer tables, or more noise: `tallygate catalogue cost`",
    ),
    (
        "not_releasable",
        "the ledger does not allow this release",
        "`tallygate release preview` says why",
    ),
    (
        "warnings_open",
        "warnings stand that nobody has accepted",
        "look at them, and name each (`release close --accept`)",
    ),
    ("warning_not_open", "a warning was accepted that does not stand", "look at the preview again"),
    (
        "no_such_table",
        "nothing of this name is published",
        "`tallygate figures find` looks for it, `figures ask` asks for it",
    ),
    (
        "too_many_requests_open",
        "your organisation has as many open requests for tables as it may",
        "wait until one is decided",
    ),
    ("already_decided", "the request for a table is decided", "ask again with a new one"),
];

/// Of partners, keys, cases, and the access log.
pub(super) const OFFICE: &[Line] = &[
    (
        "register_not_empty",
        "first partners are entered into an empty register",
        "a data officer adds others",
    ),
    (
        "no_data_officer",
        "nobody would be left who may change the register",
        "leave one partner that may be a data officer",
    ),
    (
        "certificate_taken",
        "the certificate is another partner's",
        "each certificate is one partner's",
    ),
    ("key_taken", "the key is another partner's", "each key is one partner's"),
    ("key_changed", "a key's id stays and its key is another", "give the new key a new id"),
    ("key_missing", "a key that has signed is left out", "keep it, with a last day"),
    (
        "no_new_key_version",
        "the key file has no version beyond the one in use",
        "`tallygate keys new-version`, and give every gateway the file",
    ),
    ("key_file_unreadable", "the gateway can't read its key file", "see its own log"),
    (
        "keys_in_use",
        "values are still kept under this version",
        "`tallygate keys list` shows how many are left",
    ),
    ("already_destroyed", "this version of the keys is destroyed", "nothing"),
    (
        "case_differs",
        "a case of this reference says something else",
        "give the new case its own reference",
    ),
    ("case_ended", "the case has ended", "open another one"),
    ("case_in_progress", "the case is not through yet", "try again later"),
    (
        "not_scrubbed",
        "what was erased still lies in the database's files",
        "the operator runs `tallygate scrub`",
    ),
    ("not_erased", "the record is not erased", "erase it, or see the case's state"),
    (
        "already_reported",
        "the report was given; another needs another request",
        "ask with a new request",
    ),
    ("no_detail", "the entry has no private detail", "nothing"),
    (
        "detail_gone",
        "the detail, or this item of it, was erased",
        "its commitment stays in the log",
    ),
];

/// What failed inside: no refusal, and no receipt.
pub(super) const FAILURES: &[Line] = &[
    (
        "GATEWAY_STOPS",
        "the gateway stops; what it acknowledged stays",
        "go on after the last acknowledgement, here or at another gateway",
    ),
    (
        "OVERLOADED",
        "more is asked at once, by this caller or by all, than is served",
        "wait as long as the advice beside it says, and ask less at once",
    ),
    (
        "LOG_UNAVAILABLE",
        "the access log can't be written, so nothing is answered",
        "try again; the operator's `/readyz` says what is missing",
    ),
    ("STORE_UNAVAILABLE", "the gateway can't reach its data", "try again"),
    ("KEYS_BEHIND", "this gateway does not hold the keys in use", "try again, or another gateway"),
    ("LOG_UNPUBLISHED", "the published log can't be read now", "try again after its next tick"),
    (
        "JOURNAL_UNAVAILABLE",
        "what was done can't be written down outside of the database",
        "try again; the operator sees to the journal's disk",
    ),
    ("POLICY_CHANGED", "the policy changed while this was decided", "try again"),
    ("CONFLICT", "another act was first", "look again, and repeat"),
    (
        "WITNESS_CONTRADICTS",
        "a witness has seen another access log",
        "as for `witness_contradicts`",
    ),
    (
        "INTERNAL",
        "the gateway failed",
        "tell the operator the `request_id`: its own log has the reason",
    ),
];
