"""Each table of a release as a query for tests/foreign/duckdb: a row a person in a cell, with the
person's reach area; the population by age is put around it (`TABLES`).

It says anew in SQL what src/disclosure/tables says in Rust, and shares no code with it.
"""

from string import Template

HERE = "here"
ADULTS = "(months >= 192 OR (months IS NULL AND NOT unborn))"
EVENTS = "own AND known <= $close"


def aged(low, high):
    return f"(months >= {low} AND months < {high})"


UNDER_FIVES = aged(0, 60)


def placed(*added):
    """People where they live by the usual addresses and some record types' besides."""
    joins = "".join(f" LEFT JOIN homes_{name} USING (person)" for name in added)
    best = ", ".join(["home", *(f"home_{name}" for name in added)])
    return (f"(SELECT p.*, l.area, l.neighbourhood, l.deprived FROM people p{joins}"
            f" JOIN lsoas l ON l.lsoa = lsoa_of(greatest({best})))")


def by(cell, people=HERE, who=UNDER_FIVES, joins="", where="true"):
    return f"SELECT area, {cell} AS cell FROM {people} q {joins} WHERE {who} AND {where}"


def either(condition, yes, no):
    return f"CASE WHEN {condition} THEN '{yes}' ELSE '{no}' END"


def turned(months):
    return f"months >= {months} AND months_before < {months}"


def flows_in(day):
    """In the quarter, or earlier and known of only since the last close."""
    return f"({day} <= $last AND ({day} >= $first OR known > $close_before))"


REVIEWED = "LEFT JOIN reviewed USING (person)"
LONG = "since <= $last - 90"
VISITS = "CASE WHEN days = 0 THEN 'absent' WHEN days < 3 THEN 'occasional' ELSE 'sustained' END"
# How often a child came before its second birthday, where it has a record at all.
BY_TWO = f"""LEFT JOIN (SELECT person, count(DISTINCT day) AS visits FROM attendance
    JOIN people USING (person) WHERE {EVENTS} AND day < aged(born, 24) GROUP BY ALL) USING (person)"""
CONTACT = "CASE WHEN coalesce(visits, 0) = 0 THEN 'none' WHEN visits >= 3 THEN 'contact' END"
TRACK = f"""JOIN (SELECT person, max((day, on_track)) AS latest FROM development_score
    JOIN people USING (person) WHERE {EVENTS} AND day >= birth + 700 AND on_track IS NOT NULL
    GROUP BY ALL) USING (person)"""
ON_TRACK = either("latest[2]", "on_track", "behind")
PROFILE = f"""JOIN (SELECT person, max((good_level, coalesce(free_school_meals, false))) AS best
    FROM early_years_profile WHERE {EVENTS} AND year = $year AND good_level IS NOT NULL
    GROUP BY ALL) USING (person)"""
SCHOOL_YEAR = "born BETWEEN make_date($year - 6, 9, 1) AND make_date($year - 5, 8, 31)"
REACHED = either("best[1]", "reached", "not")
FAMILY = """JOIN (SELECT person, min(CASE case_type WHEN 'cp' THEN 0 WHEN 'cin' THEN 1
    WHEN 'tf' THEN 2 ELSE 3 END) AS first FROM open_cases WHERE reference_child GROUP BY ALL)
    USING (person)"""
FAMILIES = placed("family_case")
REFERRED = f"""(SELECT person, direction, other_party FROM referral
    WHERE {EVENTS} AND direction IS NOT NULL AND {flows_in('day')})"""
CHILDREN_AND_ADULTS = f"({UNDER_FIVES} OR {ADULTS})"

FEEDING = f"""JOIN (SELECT person, bool_or(feeding IN ('total', 'partial')) AS breast
    FROM feeding_6_8_week WHERE {EVENTS} AND feeding IN ('total', 'partial', 'none') GROUP BY ALL)
    USING (person)"""
BORN = f"""JOIN (SELECT person, min(known) AS known FROM live_birth WHERE {EVENTS} GROUP BY ALL)
    USING (person)"""
ASKED = f"""LEFT JOIN (SELECT DISTINCT person, true AS asked FROM development_score
    JOIN people USING (person) WHERE {EVENTS} AND day BETWEEN aged(born, 23) AND aged(born, 30))
    USING (person)"""
LISTED = f"""SEMI JOIN (SELECT person FROM two_year_old_eligibility
    WHERE {EVENTS} AND coalesce(list_date, day) BETWEEN $last - 120 AND $last) USING (person)"""
SESSIONS = f"""JOIN (SELECT person, sum(possible) AS possible, sum(attended) AS attended
    FROM session_attendance WHERE {EVENTS} AND term = $term GROUP BY ALL) USING (person)"""
SURVEYED = f"""LEFT JOIN (SELECT DISTINCT person, true AS asked FROM survey
    WHERE {EVENTS} AND survey = 'non_attender' AND day > $year_ago AND day <= $last) USING (person)"""
ANSWERED = f"""JOIN (SELECT person, max((day, satisfaction)) AS latest FROM survey
    WHERE {EVENTS} AND survey = 'satisfaction' AND satisfaction IS NOT NULL
    AND day > $year_ago AND day <= $last GROUP BY ALL) USING (person)"""
DUE_REFERRALS = f"""JOIN (SELECT person, bool_or(coalesce(
        outcome = 'engaged' AND outcome_date <= day + 30, false)) AS engaged
    FROM referral WHERE {EVENTS} AND direction = 'in' AND day + 30 BETWEEN $first AND $last
    GROUP BY ALL) USING (person)"""
AIMS = f"""JOIN (SELECT person, esol, min(how) AS how FROM (
        SELECT person, coalesce(esol, false) AS esol, CASE WHEN completion_status <> '2' THEN 2
            WHEN coalesce(outcome, '') = '1' THEN 0 ELSE 1 END AS how
        FROM learning_aim WHERE {EVENTS} AND {flows_in('planned_end_date')})
    GROUP BY ALL) USING (person)"""
AIM = "CASE WHEN esol THEN 'esol_' ELSE 'other_' END || ['achieved', 'completed', 'not'][how + 1]"
WENT_ON = f"""JOIN (SELECT person, bool_or(destination <> 'none' OR coalesce(
        begun.start BETWEEN planned_end_date + 1 AND planned_end_date + 183, false)) AS went_on
    FROM (SELECT * FROM learning_aim WHERE {EVENTS} AND completion_status = '2'
          AND planned_end_date + 183 BETWEEN $first AND $last AND destination <> 'unknown')
    LEFT JOIN (SELECT person, day AS start FROM learning_aim WHERE {EVENTS} UNION ALL
               SELECT person, start_date FROM volunteer_placement WHERE {EVENTS}) begun
        USING (person)
    GROUP BY ALL) USING (person)"""
PLACED = f"""JOIN (SELECT person, bool_or(coalesce(target_groups, '') <> '') AS of_group
    FROM volunteer_placement WHERE {EVENTS} AND {flows_in('coalesce(start_date, day)')}
    GROUP BY ALL) USING (person)"""
ENDED = f"""JOIN (SELECT person, bool_or(coalesce(outcome NOT IN ('none', 'unknown'), false)) AS went_on
    FROM volunteer_placement WHERE {EVENTS} AND {flows_in('end_date')} GROUP BY ALL) USING (person)"""
PARTIES = ["health", "social_care", "jobcentre", "adult_learning", "school", "early_years",
           "voluntary", "self"]
GROUPS = ["teenage_parent", "lone_parent", "workless", "minority_ethnic", "disabled", "father",
          "domestic_abuse", "cp_cin_lac", "funded_two", "deprived_area", "gypsy_roma_traveller",
          "eal", "substance_misuse", "mental_health"]
TARGET_PEOPLE = placed("early_years_profile", "funded_place", "session_attendance", "family_case")


def some_of(most, things, people, who, rest, cell):
    """At most so many cells a person: of more, those that come first in its own order."""
    numbered = ", ".join(f"('{thing}', {number})" for number, thing in enumerate(things))
    return f"""SELECT area, {cell} AS cell FROM (
        SELECT *, row_number() OVER (PARTITION BY person ORDER BY
            CASE WHEN held > {most} THEN turn(person, number) END) AS place
        FROM (SELECT q.*, number, thing, count(*) OVER (PARTITION BY q.person) AS held
              FROM {people} q JOIN ({rest}) USING (person)
              JOIN (VALUES {numbered}) t(thing, number) USING (thing) WHERE {who}))
        WHERE place <= {most}"""


IN_GROUPS = f"""SELECT person, unnest(string_split(target_groups, ';')) AS thing FROM registration
    WHERE {EVENTS} AND target_groups IS NOT NULL
    UNION SELECT person, 'minority_ethnic' FROM of_group WHERE number <> 0
    UNION SELECT person, 'gypsy_roma_traveller' FROM of_group WHERE number = 2
    UNION SELECT person, 'disabled' FROM needs WHERE needs
    UNION SELECT person, 'deprived_area' FROM {TARGET_PEOPLE} WHERE deprived
    UNION SELECT person, 'cp_cin_lac' FROM open_cases WHERE case_type NOT IN ('eh', 'tf')
    UNION SELECT person, 'funded_two' FROM funded WHERE ever_two"""
STATUS = "CASE WHEN since IS NULL THEN 'unregistered' WHEN days < 3 THEN 'registered'" \
         " ELSE 'sustained' END"
NEIGHBOURHOODS = "['first', 'second', 'third', 'fourth', 'fifth', 'sixth'][neighbourhood + 1]"
DEPRIVED = either("deprived", "deprived", "other")
OF_YEAR = "known <= $close AND day > $year_ago AND day <= $last"

QUERIES = {
    "registered": by("registration"),
    "engagement": by(
        f"""CASE WHEN since IS NULL THEN {either('days = 0', 'unregistered_absent',
            'unregistered_attended')} ELSE {either(LONG, 'long_', 'new_')} || {VISITS} END"""),
    "under_fives": by("'age_' || (months // 12) || '_' || registration"),
    "by_sex": by(either("q.sex = '1'", "boys_", "girls_") + " || registration",
                 where="q.sex IN ('1', '2')"),
    "by_ethnic_group": by("broad || '_' || registration", placed("early_years_profile"),
                          joins="JOIN of_group USING (person)"),
    "by_needs": by(f"{either('needs', 'needs_', 'none_')} || registration",
                   placed("funded_place", "session_attendance"), aged(24, 60),
                   "JOIN needs USING (person)"),
    "by_deprivation": by(f"{DEPRIVED} || '_' || registration"),
    "group_and_deprivation": by(f"broad || '_' || {DEPRIVED} || '_' || registration",
                                placed("early_years_profile"),
                                joins="JOIN of_group USING (person)"),
    "neighbourhoods": by(f"{NEIGHBOURHOODS} || '_' || registration",
                         where="neighbourhood IS NOT NULL"),
    "non_attenders": by(either("asked", "surveyed", "not_surveyed"), placed("survey"),
                        joins=SURVEYED, where=f"{LONG} AND days = 0"),
    "births": by("'born'", who=aged(0, 6), joins=BORN, where=flows_in("birth")),
    "prompt": by(either("first_start <= birth + 56", "prompt", "not_prompt"), who=aged(2, 7),
                 joins=BORN, where="birth >= $first_before AND birth < $first"),
    "new_birth_visit": by(either("new_birth <= birth + 14", "on_time", "not_on_time"),
                          who=aged(0, 4), joins=REVIEWED,
                          where="birth + 30 BETWEEN $first AND $last"),
    "six_week": by(either("six_week <= birth + 56", "reviewed", "not_reviewed"), who=aged(0, 5),
                   joins=REVIEWED, where="birth + 56 BETWEEN $first AND $last"),
    "feeding": by(either("breast", "breastfed", "not_breastfed"), placed("feeding_6_8_week"),
                  aged(0, 5), FEEDING, "birth + 56 BETWEEN $first AND $last"),
    "review_12": by(either("twelve <= aged(born, 12)", "reviewed", "not_reviewed"),
                    who=aged(12, 16), joins=REVIEWED, where=turned(12)),
    "review_15": by(either("twelve <= aged(born, 15)", "reviewed", "not_reviewed"),
                    who=aged(15, 19), joins=REVIEWED, where=turned(15)),
    "review_two": by(f"""CASE WHEN two IS NULL OR two > aged(born, 30) THEN 'not_reviewed'
                         ELSE {either('asked', 'with_asq', 'without_asq')} END""",
                     placed("development_score"), aged(30, 34), f"{REVIEWED} {ASKED}", turned(30)),
    "twos": by(f"{either('two', 'funded_', 'unfunded_')} || registration",
               placed("two_year_old_eligibility", "funded_place"), aged(18, 42),
               f"LEFT JOIN funded USING (person) {LISTED}"),
    "three_four": by(either("older", "funded", "unfunded"), placed("funded_place"), aged(36, 60),
                     "LEFT JOIN funded USING (person)"),
    "nursery": by(either("attended * 100 >= possible * 85", "not_low", "low"),
                  placed("session_attendance"), aged(24, 60), SESSIONS, "possible > 0"),
    "families": by("registration", FAMILIES, joins=FAMILY),
    "families_by_area": by("registration", FAMILIES, joins=FAMILY),
    "family_types": by("['cp', 'cin', 'tf', 'other'][first + 1] || '_' || registration", FAMILIES,
                       joins=FAMILY),
    "families_reviewed": by(either("in_year", "reviewed", "not_reviewed"), FAMILIES,
                            joins=f"{FAMILY} {REVIEWED}"),
    "target_groups": some_of(4, GROUPS, TARGET_PEOPLE, UNDER_FIVES, IN_GROUPS,
                             f"thing || '_' || {STATUS}"),
    "referrals": by(
        "CASE WHEN ways = 2 THEN 'both' WHEN way = 'in' THEN 'in_only' ELSE 'out_only' END",
        placed("referral"), CHILDREN_AND_ADULTS,
        f"""JOIN (SELECT person, count(DISTINCT direction) AS ways, min(direction) AS way
            FROM {REFERRED} GROUP BY ALL) USING (person)"""),
    "referral_partners": some_of(
        2, [f"{way}_{party}" for way in ("in", "out") for party in PARTIES], placed("referral"),
        CHILDREN_AND_ADULTS,
        f"SELECT DISTINCT person, direction || '_' || other_party AS thing FROM {REFERRED}",
        "thing"),
    "referrals_engaged": by(either("engaged", "engaged", "not_engaged"), placed("referral"),
                            CHILDREN_AND_ADULTS, DUE_REFERRALS),
    "wellbeing": by(f"{DEPRIVED} || '_' || {ON_TRACK}", placed("development_score"), aged(30, 42),
                    TRACK),
    "cohort_two": by(f"{CONTACT} || '_' || {ON_TRACK}", placed("development_score"), aged(30, 42),
                     f"{TRACK} {BY_TWO}"),
    "profiles_meals": by(f"{either('best[2]', 'meals', 'none')} || '_' || {REACHED}",
                         placed("early_years_profile"), aged(60, 73), PROFILE, SCHOOL_YEAR),
    "profiles_users": by(
        f"{either('came', 'users', 'others')} || '_' || {REACHED}", placed("early_years_profile"),
        aged(60, 73), f"""{PROFILE} LEFT JOIN (SELECT DISTINCT person, true AS came FROM attendance
            JOIN people USING (person) WHERE {EVENTS} AND day < aged(born, 60)) USING (person)""",
        SCHOOL_YEAR),
    "cohort_five": by(f"{CONTACT} || '_' || {REACHED}", placed("early_years_profile"),
                      aged(60, 73), f"{PROFILE} {BY_TWO}", SCHOOL_YEAR),
    "learning": by(AIM, placed("learning_aim"), ADULTS, AIMS),
    "progression": by(either("went_on", "progressed", "not_progressed"),
                      placed("learning_aim", "volunteer_placement"), ADULTS, WENT_ON),
    "volunteers": by(either("of_group", "target_group", "no_target_group"),
                     placed("volunteer_placement"), ADULTS, PLACED),
    "volunteers_progressed": by(either("went_on", "progressed", "not_progressed"),
                                placed("volunteer_placement"), ADULTS, ENDED),
    "satisfaction": by(either("latest[2] >= 4", "satisfied", "not_satisfied"), placed("survey"),
                       ADULTS, ANSWERED),
    "providers": f"""SELECT NULL AS area, {either('informed', 'at_information',
        'not_at_information')} AS cell FROM (SELECT provider_urn, bool_and(
            coalesce(provider_kind = 'school', false)) AS is_school, bool_or(
            coalesce(session = 'information' AND attended, false)) AS informed
        FROM provider_session WHERE {OF_YEAR} AND provider_urn IS NOT NULL GROUP BY ALL)
        WHERE NOT is_school""",
    "schools": f"""SELECT NULL AS area, {either('engaged', 'engaged', 'not_engaged')} AS cell
        FROM (SELECT school_urn, bool_or(coalesce(engaged, false)) AS engaged FROM school_contact
              WHERE {OF_YEAR} AND school_urn IS NOT NULL GROUP BY ALL)""",
}


def count(table, days, by_area):
    """A table's counts: area (none for the authority's), cell, count."""
    area = "area" if by_area else "NULL"
    query = f"SELECT {area}, cell, count(*) FROM ({QUERIES[table]}) WHERE cell IS NOT NULL GROUP BY ALL"
    return Template(query).substitute(days)
