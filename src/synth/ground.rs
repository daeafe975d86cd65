//! What the simulation needs of a place beyond its facts: where births are likely, which areas are near,
//! how strongly a centre draws families.

use super::dice::{Dice, mix};
use super::place::PlaceFacts;

/// A home: a postcode and a house number on it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Address {
    postcode: u16,
    house: u8,
}

/// A place, prepared for drawing.
pub(super) struct Ground {
    pub(super) facts: &'static PlaceFacts,
    /// Positions of the postcodes of each LSOA.
    postcodes: Vec<Vec<u16>>,
    /// How many births an LSOA has, relative to the others.
    weights: Vec<u32>,
    /// The four nearest areas of each.
    near: Vec<[usize; 4]>,
    /// How much more or less likely a family of an area registers, -0.06..0.06.
    pull: Vec<f64>,
}

impl Ground {
    pub(super) fn new(facts: &'static PlaceFacts, seed: u64) -> Self {
        let mut postcodes = vec![Vec::new(); facts.lsoas.len()];
        for (position, postcode) in (0u16..).zip(&facts.postcodes) {
            postcodes[postcode.lsoa].push(position);
        }
        let weights = (0u64..)
            .zip(&facts.lsoas)
            .map(|(number, lsoa)| {
                let noise = u32::try_from(mix(number) % 40).unwrap_or_default();
                60 + 8 * (10 - u32::from(lsoa.decile.min(10))) + noise
            })
            .collect();
        let pull = (0u64..)
            .zip(&facts.areas)
            .map(|(number, _)| {
                let step = u32::try_from(mix(seed ^ mix(number)) % 121).unwrap_or_default();
                f64::from(step) / 1_000.0 - 0.06
            })
            .collect();
        Self { facts, postcodes, weights, near: near(facts), pull }
    }

    /// A home anywhere in the authority.
    pub(super) fn anywhere(&self, dice: &mut Dice) -> Address {
        let lsoa = usize::from(dice.weighted(&self.weights));
        self.home_in(lsoa, dice)
    }

    /// Another home in the same reach area.
    pub(super) fn nearby(&self, from: Address, dice: &mut Dice) -> Address {
        let lsoas = &self.facts.areas[self.area(from)].lsoas;
        self.home_in(lsoas[dice.index(lsoas.len())], dice)
    }

    fn home_in(&self, lsoa: usize, dice: &mut Dice) -> Address {
        let codes = &self.postcodes[lsoa];
        Address { postcode: codes[dice.index(codes.len())], house: dice.small(1, 60) }
    }

    pub(super) fn lsoa(&self, address: Address) -> usize {
        self.facts.postcodes[usize::from(address.postcode)].lsoa
    }

    pub(super) fn area(&self, address: Address) -> usize {
        self.facts.lsoas[self.lsoa(address)].area
    }

    pub(super) fn postcode(&self, address: Address) -> &'static str {
        &self.facts.postcodes[usize::from(address.postcode)].code
    }

    /// A property number outside the ranges that are in use: 12 digits that begin with 999.
    pub(super) fn uprn(address: Address) -> String {
        format!("999{:09}", u32::from(address.postcode) * 100 + u32::from(address.house))
    }

    /// 0.0 (least deprived) to 1.0 (most).
    pub(super) fn deprivation(&self, address: Address) -> f64 {
        f64::from(10 - self.facts.lsoas[self.lsoa(address)].decile.min(10)) / 9.0
    }

    pub(super) fn pull(&self, area: usize) -> f64 {
        self.pull[area]
    }

    pub(super) fn neighbour(&self, area: usize, dice: &mut Dice) -> usize {
        self.near[area][dice.index(4)]
    }
}

fn near(facts: &PlaceFacts) -> Vec<[usize; 4]> {
    let centres: Vec<(f64, f64)> = facts
        .areas
        .iter()
        .map(|area| {
            let count = f64::from(u32::try_from(area.lsoas.len().max(1)).unwrap_or(1));
            let sum = |of: fn(&super::place::Lsoa) -> f64| {
                area.lsoas.iter().map(|lsoa| of(&facts.lsoas[*lsoa])).sum::<f64>() / count
            };
            (sum(|lsoa| lsoa.longitude * 0.61), sum(|lsoa| lsoa.latitude))
        })
        .collect();
    (0..centres.len())
        .map(|own| {
            let distance = |other: usize| {
                (centres[own].0 - centres[other].0).hypot(centres[own].1 - centres[other].1)
            };
            let mut others: Vec<usize> = (0..centres.len()).filter(|other| *other != own).collect();
            others.sort_by(|a, b| distance(*a).total_cmp(&distance(*b)));
            [others[0], others[1], others[2], others[3]]
        })
        .collect()
}
