//! No raw value can be bound to a query or read from one, on either engine. (The other absent
//! traits are asserted beside the types.)

use std::marker::PhantomData;
use tallygate::keys::{BirthDate, RawIdentifier, RawText};

struct Probe<T>(PhantomData<T>);

trait Otherwise {
    const TYPE: bool = false;
    const ENCODE: bool = false;
    const DECODE: bool = false;
    const PG_TYPE: bool = false;
    const PG_ENCODE: bool = false;
    const PG_DECODE: bool = false;
}

impl<T> Otherwise for Probe<T> {}

impl<T: sqlx::Type<sqlx::Sqlite>> Probe<T> {
    const TYPE: bool = true;
}
impl<T: sqlx::Encode<'static, sqlx::Sqlite>> Probe<T> {
    const ENCODE: bool = true;
}
impl<T: sqlx::Decode<'static, sqlx::Sqlite>> Probe<T> {
    const DECODE: bool = true;
}
impl<T: sqlx::Type<sqlx::Postgres>> Probe<T> {
    const PG_TYPE: bool = true;
}
impl<T: sqlx::Encode<'static, sqlx::Postgres>> Probe<T> {
    const PG_ENCODE: bool = true;
}
impl<T: sqlx::Decode<'static, sqlx::Postgres>> Probe<T> {
    const PG_DECODE: bool = true;
}

macro_rules! ways_to_a_store {
    ($type:ty) => {
        [
            Probe::<$type>::TYPE,
            Probe::<$type>::ENCODE,
            Probe::<$type>::DECODE,
            Probe::<$type>::PG_TYPE,
            Probe::<$type>::PG_ENCODE,
            Probe::<$type>::PG_DECODE,
        ]
    };
}

#[test]
fn raw_values_cannot_be_stored() {
    assert_eq!(ways_to_a_store!(RawIdentifier), [false; 6]);
    assert_eq!(ways_to_a_store!(RawText), [false; 6]);
    assert_eq!(ways_to_a_store!(BirthDate), [false; 6]);
}

#[test]
fn the_probe_sees_what_can_be_stored() {
    assert_eq!(ways_to_a_store!(String), [true; 6]);
}
