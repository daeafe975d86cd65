//! The classifications: who is in a table, and in which cell. One short file a table, or a family
//! of tables that look at the same records.

mod adults;
mod births;
mod engagement;
mod families;
mod organisations;
mod outcomes;
mod places;
mod prompt;
mod referrals;
mod registered;
mod reviews;
mod target_groups;
mod twos;
mod under_fives;

use super::classify::Definition;

/// Every classification.
pub(super) static ALL: [&Definition; 41] = [
    &registered::REGISTERED,
    &registered::NEIGHBOURHOODS,
    &registered::BY_DEPRIVATION,
    &engagement::ENGAGEMENT,
    &engagement::NON_ATTENDERS,
    &under_fives::UNDER_FIVES,
    &under_fives::BY_SEX,
    &under_fives::BY_ETHNIC_GROUP,
    &under_fives::BY_NEEDS,
    &under_fives::GROUP_AND_DEPRIVATION,
    &births::BIRTHS,
    &prompt::PROMPT,
    &reviews::NEW_BIRTH_VISIT,
    &reviews::SIX_WEEK,
    &reviews::FEEDING,
    &reviews::REVIEW_12,
    &reviews::REVIEW_15,
    &reviews::REVIEW_TWO,
    &twos::TWOS,
    &places::THREE_FOUR,
    &places::NURSERY,
    &families::FAMILIES,
    &families::FAMILIES_BY_AREA,
    &families::FAMILY_TYPES,
    &families::FAMILIES_REVIEWED,
    &referrals::REFERRALS,
    &referrals::REFERRAL_PARTNERS,
    &referrals::REFERRALS_ENGAGED,
    &target_groups::TARGET_GROUPS,
    &outcomes::WELLBEING,
    &outcomes::COHORT_TWO,
    &outcomes::PROFILES_MEALS,
    &outcomes::PROFILES_USERS,
    &outcomes::COHORT_FIVE,
    &adults::LEARNING,
    &adults::PROGRESSION,
    &adults::VOLUNTEERS,
    &adults::VOLUNTEERS_PROGRESSED,
    &adults::SATISFACTION,
    &organisations::PROVIDERS,
    &organisations::SCHOOLS,
];
