//! The closed vocabularies of a sharing protocol.
//!
//! A protocol may only say what the gateway can enforce, so each of its words comes from a list that is
//! fixed here: an unknown word refuses the document (it is never skipped). Legal bases follow the UK GDPR
//! (articles 6, 9, 10), the Data Protection Act 2018 (schedule 1) and the statutory gateways that
//! information sharing protocols for children's services name.

/// Declares a closed vocabulary: an enum whose members have one stable code (in documents, the log and
/// errors) and one phrase for people. Serialises as the code; any other word is refused without echo.
macro_rules! closed {
    ($(#[$doc:meta])* pub enum $name:ident { $($(#[$member_doc:meta])* $member:ident = $code:literal, $words:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $(#[doc = $words] $(#[$member_doc])* $member,)+ }

        impl $name {
            /// Every member, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$member,)+];

            /// The stable code, lower case ASCII.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$member => $code,)+ }
            }

            /// The member in plain English, for people.
            #[must_use]
            pub const fn words(self) -> &'static str {
                match self { $(Self::$member => $words,)+ }
            }

            /// The member with this code, if there is one.
            #[must_use]
            pub fn from_code(code: &str) -> Option<Self> {
                match code { $($code => Some(Self::$member),)+ _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.code())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.code())
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                crate::protocol::schema::words(&[$(($code, $words),)+])
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = String::deserialize(deserializer)?;
                Self::from_code(&word).ok_or_else(|| serde::de::Error::custom("unknown_word"))
            }
        }
    };
}
pub(crate) use closed;

/// The numbers by which members of a closed vocabulary are stored; 0 stands for none.
macro_rules! numbered {
    ($name:ident { $($member:ident = $number:literal,)+ }) => {
        impl $name {
            /// The stored number.
            #[must_use]
            pub const fn number(self) -> u8 {
                match self { $(Self::$member => $number,)+ }
            }

            /// From the stored number.
            #[must_use]
            pub const fn from_number(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$member),)+ _ => None }
            }
        }
    };
}
pub(crate) use numbered;

closed! {
    /// Why data are shared, or a figure is asked for.
    pub enum Purpose {
        ChildrensCentrePlanning = "childrens_centre_planning", "planning and managing children's centres";
        EarlyEducationTakeUp = "early_education_take_up", "raising the take-up of funded early education";
        Inspection = "inspection", "evidence for inspection";
        PublicHealth = "public_health", "public health planning for under-fives";
        SafeguardingOversight = "safeguarding_oversight", "oversight of safeguarding arrangements";
        Audit = "audit", "audit of the sharing itself";
    }
}

closed! {
    /// The three kinds of agreement of UK practice.
    pub enum ProtocolKind {
        Isp = "ISP", "information sharing protocol (reciprocal)";
        Dda = "DDA", "data disclosure agreement (one way)";
        Jca = "JCA", "joint controllers' arrangement";
    }
}

closed! {
    /// A party's position under the UK GDPR.
    pub enum PartyRole {
        Controller = "controller", "controller";
        Joint = "joint", "joint controller";
        Processor = "processor", "processor";
    }
}

closed! {
    /// The office in which a person signs for a party.
    pub enum SignatoryRole {
        Siro = "siro", "senior information risk owner";
        CaldicottGuardian = "caldicott_guardian", "Caldicott Guardian";
        /// Advice is recorded and verified; alone it never binds a party.
        DpoAdvice = "dpo_advice", "data protection officer's advice";
        Director = "director", "director";
        DesignatedPerson = "designated_person", "designated person";
    }
}

impl SignatoryRole {
    /// Whether a signature in this role commits the party. A data protection officer advises only
    /// (UK GDPR art 39), so that advice alone is not the party's agreement.
    #[must_use]
    pub const fn binds_the_party(self) -> bool {
        !matches!(self, Self::DpoAdvice)
    }

    /// Whether this role alone may revoke its own organisation's part.
    #[must_use]
    pub const fn may_revoke(self) -> bool {
        matches!(self, Self::Siro | Self::CaldicottGuardian)
    }
}

closed! {
    /// The capacity in which a caller acts, as its certificate and token say.
    pub enum CallerRole {
        Provider = "provider", "provider of records";
        Consumer = "consumer", "reader of released figures, for named areas";
        DataOfficer = "data_officer", "data officer";
        Auditor = "auditor", "auditor";
    }
}

closed! {
    /// UK GDPR article 6(1): lawful bases.
    pub enum Article6 {
        Consent = "art6_1_a", "the data subject's consent, art 6(1)(a)";
        Contract = "art6_1_b", "a contract with the data subject, art 6(1)(b)";
        LegalObligation = "art6_1_c", "a legal obligation, art 6(1)(c)";
        VitalInterests = "art6_1_d", "vital interests, art 6(1)(d)";
        PublicTask = "art6_1_e", "a task in the public interest, art 6(1)(e)";
        LegitimateInterests = "art6_1_f", "legitimate interests, art 6(1)(f)";
    }
}

closed! {
    /// UK GDPR article 9(2): conditions for special categories of data.
    pub enum Article9 {
        ExplicitConsent = "art9_2_a", "explicit consent, art 9(2)(a)";
        SocialProtection = "art9_2_b", "employment and social protection law, art 9(2)(b)";
        VitalInterests = "art9_2_c", "vital interests, art 9(2)(c)";
        SubstantialPublicInterest = "art9_2_g", "substantial public interest, art 9(2)(g)";
        HealthOrSocialCare = "art9_2_h", "health or social care, art 9(2)(h)";
        PublicHealth = "art9_2_i", "public health, art 9(2)(i)";
        Statistics = "art9_2_j", "archiving, research or statistics, art 9(2)(j)";
    }
}

impl Article9 {
    /// Whether DPA 2018 s.10 asks for a schedule 1 condition beside this one.
    #[must_use]
    pub const fn needs_schedule_1(self) -> bool {
        matches!(
            self,
            Self::SocialProtection
                | Self::SubstantialPublicInterest
                | Self::HealthOrSocialCare
                | Self::PublicHealth
                | Self::Statistics
        )
    }
}

closed! {
    /// UK GDPR article 10: data about criminal convictions and offences.
    pub enum Article10 {
        OfficialAuthority = "art10_official_authority", "under the control of official authority, art 10";
        AuthorisedByLaw = "art10_authorised_by_law", "authorised by domestic law, art 10 and DPA 2018 s.10(5)";
    }
}

closed! {
    /// Data Protection Act 2018, schedule 1: the paragraphs that children's services rely on.
    pub enum Schedule1 {
        Employment = "dpa_sch1_para1", "employment, social security and social protection, paragraph 1";
        HealthOrSocialCare = "dpa_sch1_para2", "health or social care purposes, paragraph 2";
        PublicHealth = "dpa_sch1_para3", "public health, paragraph 3";
        Statistics = "dpa_sch1_para4", "research and statistics, paragraph 4";
        StatutoryPurposes = "dpa_sch1_para6", "statutory and government purposes, paragraph 6";
        EqualityMonitoring = "dpa_sch1_para8", "equality of opportunity or treatment, paragraph 8";
        PreventingUnlawfulActs = "dpa_sch1_para10", "preventing or detecting unlawful acts, paragraph 10";
        Safeguarding = "dpa_sch1_para18", "safeguarding of children and of individuals at risk, paragraph 18";
    }
}

closed! {
    /// The statutory power or duty by which the data may pass.
    pub enum LegalGateway {
        ChildcareAct2006S13a = "childcare_act_2006_s13a", "Childcare Act 2006 s.13A (free early years provision)";
        ChildcareAct2006S99 = "childcare_act_2006_s99", "Childcare Act 2006 s.99 (information about individual children)";
        ChildrenAct2004S10 = "children_act_2004_s10", "Children Act 2004 s.10 (co-operation to improve well-being)";
        ChildrenAct2004S11 = "children_act_2004_s11", "Children Act 2004 s.11 (safeguarding and welfare)";
        DigitalEconomyAct2017S35 = "digital_economy_act_2017_s35", "Digital Economy Act 2017 s.35 (public service delivery)";
        WelfareReformAct2012S131 = "welfare_reform_act_2012_s131", "Welfare Reform Act 2012 s.131 (welfare services)";
        NhsAct2006S251 = "nhs_act_2006_s251", "NHS Act 2006 s.251 (confidential patient information)";
        HealthAndSocialCareAct2012S251b = "health_and_social_care_act_2012_s251b", "Health and Social Care Act 2012 s.251B (duty to share)";
        EducationAct2002S175 = "education_act_2002_s175", "Education Act 2002 s.175 (welfare of children)";
        LocalGovernmentAct1972S111 = "local_government_act_1972_s111", "Local Government Act 1972 s.111 (incidental functions)";
    }
}

impl LegalGateway {
    /// The only tables that data passed under this gateway may serve, where the law narrows them.
    ///
    /// Childcare Act 2006 s.13A passes benefit and tax data for the eligibility to free early years
    /// provision alone, and s.13B makes other disclosure an offence.
    #[must_use]
    pub const fn only_tables(self) -> Option<&'static [&'static str]> {
        match self {
            Self::ChildcareAct2006S13a => Some(&["twos"]),
            _ => None,
        }
    }
}

closed! {
    /// What lifts the duty of confidentiality: not the UK GDPR basis, hence a field of its own.
    pub enum Confidentiality {
        Consent = "consent", "consent";
        Section251 = "s251", "support under NHS Act 2006 s.251 (the national data opt-out applies)";
        Statute = "statute", "a statute requires or permits it";
        PublicInterest = "public_interest", "overriding public interest";
        NotConfidential = "not_confidential", "the data are not confidential";
    }
}

closed! {
    /// What a flow asks of the subject.
    pub enum ConsentRule {
        Nothing = "none", "nothing is asked of the subject";
        Notice = "notice", "the subject is told by a privacy notice";
        Explicit = "explicit", "the subject's consent, with a reference in each record";
    }
}

closed! {
    /// What a withdrawal does to the subject's data of a flow.
    pub enum OnWithdrawal {
        Stop = "stop", "use stops";
        Erase = "erase", "use stops and the data are erased";
    }
}

closed! {
    /// What the gateway does with a listed field.
    pub enum FieldAction {
        Keep = "keep", "kept as it is";
        Pseudonymise = "pseudonymise", "replaced by a pseudonym or sealed as it is parsed";
        Coarsen = "coarsen", "made coarser, then dropped";
        Discard = "drop", "accepted and dropped unread";
    }
}

closed! {
    /// Whom a flow's records are about.
    pub enum Subjects {
        UnderFives = "under_fives", "children under five";
        ParentsAndCarers = "parents_and_carers", "parents and carers";
        Families = "families", "families with a child under five";
        Adults = "adults", "adult learners";
    }
}

closed! {
    /// How often a flow is supplied.
    pub enum Frequency {
        Daily = "daily", "every day";
        Weekly = "weekly", "every week";
        Monthly = "monthly", "every month";
        Termly = "termly", "every term";
        Quarterly = "quarterly", "every quarter";
    }
}

closed! {
    /// From what day retention is counted.
    pub enum RetentionStart {
        EventDate = "event_date", "the day of the event";
        Received = "received", "the day the record was received";
        FifthBirthday = "fifth_birthday", "the child's fifth birthday";
        CaseClosed = "case_closed", "the day the case was closed";
    }
}

closed! {
    /// The levels of published geography, finest first.
    pub enum AreaLevel {
        ReachArea = "reach_area", "reach area";
        Cluster = "cluster", "cluster";
        LeadAgency = "lead_agency", "lead agency";
        Authority = "authority", "authority";
    }
}
