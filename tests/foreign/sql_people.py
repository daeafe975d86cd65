"""What tests/foreign/duckdb loads, and what its SQL makes of it for all tables: who is alive, how
old, registered, where at home. Days are numbers since 1970-01-01, as in the files.

It says anew in SQL what src/disclosure says in Rust, and shares no code with it.
"""

import calendar
from datetime import date, timedelta

DAYS, YES = "INTEGER", "BOOLEAN"

# The columns that a table needs, by record type; codes are text.
COLUMNS = {
    "live_birth": {"ethnicity": "VARCHAR"},
    "health_review": {"review": "VARCHAR", "outcome": "VARCHAR"},
    "registration": {"start_date": DAYS, "end_date": DAYS, "target_groups": "VARCHAR",
                     "ethnicity": "VARCHAR"},
    "attendance": {},
    "movement": {"movement": "VARCHAR"},
    "death": {},
    "feeding_6_8_week": {"feeding": "VARCHAR"},
    "development_score": {"on_track": YES},
    "funded_place": {"term": DAYS, "funded_age": DAYS, "sen": "VARCHAR"},
    "session_attendance": {"term": DAYS, "possible": DAYS, "attended": DAYS, "sen": "VARCHAR"},
    "two_year_old_eligibility": {"list_date": DAYS},
    "early_years_profile": {"year": DAYS, "good_level": YES, "free_school_meals": YES,
                            "ethnicity": "VARCHAR"},
    "family_case": {"case_type": "VARCHAR", "opened": DAYS, "closed": DAYS,
                    "reference_child": YES},
    "survey": {"survey": "VARCHAR", "satisfaction": DAYS},
    "referral": {"direction": "VARCHAR", "other_party": "VARCHAR", "outcome": "VARCHAR",
                 "outcome_date": DAYS},
    "learning_aim": {"planned_end_date": DAYS, "completion_status": "VARCHAR",
                     "outcome": "VARCHAR", "destination": "VARCHAR", "esol": YES},
    "volunteer_placement": {"start_date": DAYS, "end_date": DAYS, "outcome": "VARCHAR",
                            "target_groups": "VARCHAR"},
    "provider_session": {"provider_urn": "VARCHAR", "provider_kind": "VARCHAR",
                         "session": "VARCHAR", "attended": YES},
    "school_contact": {"school_urn": "VARCHAR", "engaged": YES},
}
HEALTH = {"live_birth", "health_review", "feeding_6_8_week", "development_score", "movement"}
# Every table's addresses come from these; some tables add their own sources'.
ADDRESSES = ["live_birth", "health_review", "registration", "attendance", "movement"]
ADDED = ["early_years_profile", "funded_place", "session_attendance", "family_case", "survey",
         "feeding_6_8_week", "development_score", "two_year_old_eligibility", "referral",
         "learning_aim", "volunteer_placement"]
ETHNIC_GROUPS = {
    "white": ["white_british", "white_irish", "gypsy_or_irish_traveller", "white_other"],
    "mixed": ["white_and_black_caribbean", "white_and_black_african", "white_and_asian",
              "mixed_other"],
    "asian": ["indian", "pakistani", "bangladeshi", "chinese", "asian_other"],
    "black": ["black_african", "black_caribbean", "black_other"],
    "other": ["arab", "other"],
}

MACROS = """
CREATE MACRO number(day) AS day - DATE '1970-01-01';
CREATE MACRO months_by(born, day) AS
    (year(day) - year(born)) * 12 + month(day) - month(born) - (day(day) < day(born))::INTEGER;
CREATE MACRO aged(born, months) AS number(CAST(born + to_months(months) AS DATE));
-- A claim to be the residence: the latest day, then Health's, then a move away, then the smaller code.
CREATE MACRO claim(day, health, gone, lsoa) AS
    (((day::BIGINT + 100000) * 2 + health) * 2 + gone) * 1048576 + 1048575
    - CASE WHEN gone = 1 THEN 0 ELSE lsoa END;
CREATE MACRO lsoa_of(claim) AS
    CASE WHEN claim // 1048576 % 2 = 0 THEN 1048575 - claim % 1048576 END;
-- The finaliser of SplitMix64, by which a person of too many groups counts in some of them.
CREATE MACRO low(n) AS (n % 18446744073709551616::UHUGEINT)::UBIGINT;
CREATE MACRO stir_3(c) AS xor(c, c >> 31);
CREATE MACRO stir_2(b) AS
    stir_3(low(xor(b, b >> 27)::UHUGEINT * 10723151780598845931::UHUGEINT));
CREATE MACRO stir_1(a) AS
    stir_2(low(xor(a, a >> 30)::UHUGEINT * 13787848793156543929::UHUGEINT));
CREATE MACRO stirred(n) AS stir_1(low(n::UHUGEINT + 11400714819323198485::UHUGEINT));
CREATE MACRO turn(person, thing) AS
    stirred(xor(stirred(xor(1::UBIGINT, stirred(person::UBIGINT))), thing::UBIGINT));
"""


def load(database, folder):
    """Reads the files into tables; what no file holds is an empty table."""
    database.execute(MACROS)
    read = "read_csv('{}', header = true, nullstr = '', types = {})"
    own = {"person": "BIGINT", "role": "VARCHAR", "day": DAYS, "known": DAYS, "lsoa": "VARCHAR"}
    for name, columns in COLUMNS.items():
        path = folder / f"{name}.csv"
        chosen = "".join(f', "{column}"' for column in columns)
        if path.exists():
            database.execute(
                f"CREATE TABLE {name} AS SELECT person, role = 'principal' AS own, day, known,"
                f" CAST(substr(lsoa, 4) AS INTEGER) AS lsoa{chosen}"
                f" FROM {read.format(path, own | columns)}")
        else:
            kinds = "".join(f', "{column}" {kind}' for column, kind in columns.items())
            database.execute(f"CREATE TABLE {name} (person BIGINT, own BOOLEAN, day INTEGER,"
                             f" known INTEGER, lsoa INTEGER{kinds})")
    kinds = {"person": "BIGINT", "date_of_birth": "DATE", "sex": "VARCHAR"}
    database.execute(f"CREATE TABLE persons AS SELECT * FROM"
                     f" {read.format(folder / 'persons.csv', kinds)}")
    kinds = {"lsoa": "VARCHAR", "area": "VARCHAR", "neighbourhood": DAYS, "deprived": YES}
    database.execute(f"CREATE TABLE lsoas AS SELECT * REPLACE (CAST(substr(lsoa, 4) AS INTEGER)"
                     f" AS lsoa) FROM {read.format(folder / 'lsoas.csv', kinds)}")
    groups = [(name, broad) for broad, names in ETHNIC_GROUPS.items() for name in names]
    database.execute("CREATE TABLE ethnic_groups (name VARCHAR, number INTEGER, broad VARCHAR)")
    for number, (name, broad) in enumerate(groups):
        database.execute("INSERT INTO ethnic_groups VALUES (?, ?, ?)", [name, number, broad])


def quarter_days(text):
    """A quarter's days, as SQL's variables."""
    year, number = int(text[:4]), int(text[5])

    def last_day(year, number):
        return date(year, 3 * number, calendar.monthrange(year, 3 * number)[1])

    before = (year, number - 1) if number > 1 else (year - 1, 4)
    last, last_before = last_day(year, number), last_day(*before)
    year_ago = date(year - 1, last.month, min(last.day, calendar.monthrange(year - 1, last.month)[1]))

    def days(day):
        return (day - date(1970, 1, 1)).days

    return {
        "year": year,
        "last_date": f"DATE '{last}'",
        "before_date": f"DATE '{last_before}'",
        "first": days(last_before) + 1,
        "last": days(last),
        "close": days(last + timedelta(42)),
        "close_before": days(last_before + timedelta(42)),
        "first_before": days(date(before[0], 3 * before[1] - 2, 1)),
        "year_ago": days(year_ago),
        # Three terms a year: spring, summer (both of its quarters), autumn.
        "term": year * 3 + [0, 1, 1, 2][number - 1],
    }


def claims(record_type):
    """Each person's best claim from one type's records, whatever its role in them."""
    day, join, gone = "e.day", "", "0"
    if record_type == "live_birth":
        # A birth happened on the child's date of birth, and to the mother gives no day.
        day = "coalesce(e.day, CASE WHEN e.own THEN number(p.date_of_birth) END)"
        join = "JOIN persons p USING (person)"
    if record_type == "movement":
        gone = "coalesce(e.movement = 'out', false)::INTEGER"
    return (f"SELECT person, claim({day}, {int(record_type in HEALTH)}, {gone}, e.lsoa) AS claim"
            f" FROM {record_type} e {join} WHERE (e.lsoa IS NOT NULL OR {gone} = 1)"
            f" AND e.known <= $close AND {day} <= $last")


def setup():
    """Statements that work out what all tables share."""
    base = " UNION ALL ".join(claims(record_type) for record_type in ADDRESSES)
    yield f"CREATE TEMP TABLE homes AS SELECT person, max(claim) AS home FROM ({base}) GROUP BY ALL"
    for added in ADDED:
        yield (f"CREATE TEMP TABLE homes_{added} AS SELECT person, max(claim) AS home_{added}"
               f" FROM ({claims(added)}) GROUP BY ALL")
    yield """CREATE TEMP TABLE registered AS
        SELECT person, min(start) AS first_start,
            min(start) FILTER (start <= $last AND (end_date IS NULL OR end_date > $last)) AS since
        FROM (SELECT person, coalesce(start_date, day) AS start, end_date FROM registration
              WHERE own AND known <= $close) GROUP BY ALL"""
    yield """CREATE TEMP TABLE came AS
        SELECT person, count(DISTINCT day) AS days FROM attendance
        WHERE own AND known <= $close AND day > $year_ago AND day <= $last GROUP BY ALL"""
    yield """CREATE TEMP TABLE people AS
        SELECT person, sex, CASE WHEN date_of_birth <= $last_date THEN date_of_birth END AS born,
            number(born) AS birth, months_by(born, $last_date) AS months,
            months_by(born, $before_date) AS months_before,
            coalesce(date_of_birth > $last_date, false) AS unborn,
            since, first_start, coalesce(days, 0) AS days, home,
            CASE WHEN since IS NULL THEN 'unregistered' ELSE 'registered' END AS registration
        FROM persons LEFT JOIN registered USING (person) LEFT JOIN came USING (person)
        LEFT JOIN homes USING (person)
        WHERE person NOT IN (SELECT person FROM death WHERE own AND day <= $last)"""
    yield """CREATE TEMP TABLE here AS
        SELECT p.*, area, neighbourhood, deprived
        FROM people p JOIN lsoas l ON l.lsoa = lsoa_of(home)"""
    yield """CREATE TEMP TABLE reviewed AS
        SELECT person, min(day) FILTER (review = 'new_birth') AS new_birth,
            min(day) FILTER (review = 'six_to_eight_week') AS six_week,
            min(day) FILTER (review = 'twelve_month') AS twelve,
            min(day) FILTER (review = 'two_to_two_and_a_half_year') AS two,
            coalesce(bool_or(day > $year_ago AND day <= $last), false) AS in_year
        FROM health_review WHERE own AND known <= $close AND outcome = 'completed' GROUP BY ALL"""
    yield """CREATE TEMP TABLE funded AS
        SELECT person, coalesce(bool_or(funded_age = 2 AND term = $term), false) AS two,
            coalesce(bool_or(funded_age IN (3, 4) AND term = $term), false) AS older,
            coalesce(bool_or(funded_age = 2), false) AS ever_two
        FROM funded_place WHERE own AND known <= $close GROUP BY ALL"""
    yield """CREATE TEMP TABLE open_cases AS
        SELECT * FROM family_case WHERE own AND known <= $close AND coalesce(opened, day) <= $last
        AND (closed IS NULL OR closed > $last)"""
    stated = "SELECT person, min(number) AS {0} FROM {1} JOIN ethnic_groups ON name = ethnicity" \
             " WHERE own AND known <= $close GROUP BY ALL"
    yield f"""CREATE TEMP TABLE of_group AS
        SELECT person, broad, number FROM (
            SELECT person, coalesce(born_as, registered_as, profiled_as) AS number
            FROM ({stated.format('born_as', 'live_birth')})
            FULL JOIN ({stated.format('registered_as', 'registration')}) USING (person)
            FULL JOIN ({stated.format('profiled_as', 'early_years_profile')}) USING (person))
        JOIN ethnic_groups USING (number)"""
    yield """CREATE TEMP TABLE needs AS
        SELECT person, bool_or(sen <> 'none') AS needs FROM (
            SELECT person, sen FROM funded_place WHERE own AND known <= $close UNION ALL
            SELECT person, sen FROM session_attendance WHERE own AND known <= $close)
        WHERE sen IS NOT NULL GROUP BY ALL"""


TEMPORARY = ["homes", *[f"homes_{added}" for added in ADDED], "registered", "came", "people",
             "here", "reviewed", "funded", "open_cases", "of_group", "needs"]
