//! The entries of a document's lists, member by member: what differs, and what one says that is new
//! or that goes. A member added later does not compile until it is told here.

use super::Difference;
use super::found::{Found, Pair, optional, quoted};
use crate::protocol::document::{
    Audience, Flow, FlowField, LegalBasis, Output, Party, Retention, Source,
};
use crate::protocol::vocabulary::{Article9, Article10, Schedule1};

pub(super) fn party(found: &mut Found, at: &str, pair: Pair<'_, Party>) {
    let Some(Party { partner, org_code: _, ico_registration: _, role: _, keys: _ }) = pair.either()
    else {
        return;
    };
    let of = |what: &str| format!("{what} of {partner}");
    let code = of("the organisation code");
    found.value(&format!("{at}/org_code"), &code, pair.member(|p| &p.org_code), quoted);
    let registration = of("the ICO registration");
    let registered = pair.member(|p| &p.ico_registration);
    found.value(&format!("{at}/ico_registration"), &registration, registered, quoted);
    found.value(&format!("{at}/role"), &of("the position"), pair.member(|p| &p.role), |role| {
        role.words().to_owned()
    });
    let for_party = format!(" as a signing key of {partner}");
    found.set(&format!("{at}/keys"), &for_party, pair.member(|p| &p.keys), |key| {
        format!("key {key}")
    });
}

/// A flow; `to`: whom it goes to.
pub(super) fn flow(found: &mut Found, at: &str, pair: Pair<'_, Flow>, to: &str) {
    let Some(Flow {
        from,
        record_type,
        fields: _,
        subjects: _,
        areas: _,
        frequency: _,
        max_lag_days: _,
        max_backdate_days: _,
        basis: _,
        confidentiality: _,
        consent: _,
        consent_max_age_days: _,
        on_withdrawal: _,
    }) = pair.either()
    else {
        return;
    };
    let way = format!("{record_type} for {from} to {to}");
    let of = |what: &str| format!("{what} of {way}");
    let place = |member: &str| format!("{at}/{member}");
    fields(found, &place("fields"), &way, pair.member(|flow| &flow.fields));
    found.value(&place("subjects"), &of("the subjects"), pair.member(|f| &f.subjects), |s| {
        s.words().to_owned()
    });
    let area = |code: &crate::domain::AreaCode| format!("area {code}");
    found.set(&place("areas"), &format!(" for {way}"), pair.member(|f| &f.areas), area);
    found.value(&place("frequency"), &of("the frequency"), pair.member(|f| &f.frequency), |f| {
        f.words().to_owned()
    });
    let lag = of("the most days from extraction to receipt");
    found.plain(&place("max_lag_days"), &lag, pair.member(|f| &f.max_lag_days));
    let backdate = of("the most days from event to extraction");
    found.plain(&place("max_backdate_days"), &backdate, pair.member(|f| &f.max_backdate_days));
    let words = |basis: &LegalBasis| format!("legal basis {}", basis_words(basis));
    let of_way = format!(" of {way}");
    let bases = pair.member(|f| &f.basis);
    found.list(&place("basis"), &of_way, bases, LegalBasis::to_string, &words, |_, _, _| ());
    let lifted = of("what lifts confidentiality");
    let confidentiality = pair.member(|f| &f.confidentiality);
    found.value(&place("confidentiality"), &lifted, confidentiality, |c| c.words().to_owned());
    let asked = of("what is asked of the subject");
    found.value(&place("consent"), &asked, pair.member(|f| &f.consent), |c| c.words().to_owned());
    let age = of("the oldest consent that counts, in days,");
    let oldest = pair.member(|f| &f.consent_max_age_days);
    found.value(&place("consent_max_age_days"), &age, oldest, optional);
    let end = of("what a withdrawal does");
    found.value(&place("on_withdrawal"), &end, pair.member(|f| &f.on_withdrawal), |o| {
        o.words().to_owned()
    });
}

/// What a flow lists: each field, what is done with it, whether it must be there, and their order.
fn fields(found: &mut Found, list: &str, way: &str, pair: Pair<'_, Vec<FlowField>>) {
    let none = Vec::new();
    let (old, new) = (pair.old.unwrap_or(&none), pair.new.unwrap_or(&none));
    let whole = |field: &FlowField| {
        let required = if field.required { ", required" } else { "" };
        format!("{}{required}", field.action.words())
    };
    let named = |list: &[FlowField], name: &str| list.iter().any(|field| field.name == name);
    for (position, field) in new.iter().enumerate().filter(|(_, f)| !named(old, &f.name)) {
        let sentence = format!("adds field {} to {way} ({})", field.name, whole(field));
        found.say(&format!("{list}/{position}"), Difference::Added, sentence);
    }
    for (position, field) in old.iter().enumerate().filter(|(_, f)| !named(new, &f.name)) {
        let sentence = format!("removes field {} from {way} ({})", field.name, whole(field));
        found.say(&format!("{list}/{position}"), Difference::Removed, sentence);
    }
    for (position, field) in new.iter().enumerate() {
        let FlowField { name, action, required } = field;
        let Some(before) = old.iter().find(|other| other.name == *name) else { continue };
        let at = format!("{list}/{position}");
        let what = format!("what is done with field {name} of {way}");
        found.value(&format!("{at}/action"), &what, Pair::of(&before.action, action), |a| {
            a.words().to_owned()
        });
        let what = format!("whether field {name} of {way} is required");
        let yes = |required: &bool| if *required { "yes" } else { "no" }.to_owned();
        found.value(&format!("{at}/required"), &what, Pair::of(&before.required, required), yes);
    }
    let plain = |field: &FlowField| format!("field {}", field.name);
    found.order(list, &format!(" the fields of {way}"), (old, new), |f| f.name.clone(), &plain);
}

fn basis_words(basis: &LegalBasis) -> String {
    let LegalBasis { art6, art9, art10, gateway, dpa_sch1 } = basis;
    let mut words = vec![gateway.words(), art6.words()];
    words.extend(art9.map(Article9::words));
    words.extend(art10.map(Article10::words));
    words.extend(dpa_sch1.map(Schedule1::words));
    words.join("; ")
}

/// An output; `before` and `after`: the flows that its sources point to.
pub(super) fn output(
    found: &mut Found,
    at: &str,
    pair: Pair<'_, Output>,
    (before, after): (&[Flow], &[Flow]),
) {
    let Some(Output { table, audiences: _, finest_area: _, sources: _ }) = pair.either() else {
        return;
    };
    let who = |audience: &Audience| {
        let areas: Vec<String> = audience.areas.iter().map(ToString::to_string).collect();
        let (partner, role) = (&audience.partner, audience.role.words());
        format!("{partner} as {role} (areas {})", areas.join(", "))
    };
    let of = format!(" as an audience of table {table}");
    let key = |audience: &Audience| (audience.partner.clone(), audience.role);
    let audiences = pair.member(|output| &output.audiences);
    found.list(&format!("{at}/audiences"), &of, audiences, key, &who, |found, at, pair| {
        // One that stands alone has its areas in its words.
        let (Some(old), Some(Audience { partner, role, areas })) = (pair.old, pair.new) else {
            return;
        };
        let of = format!(" for {partner} as {} of table {table}", role.words());
        let areas = Pair::of(&old.areas, areas);
        found.set(&format!("{at}/areas"), &of, areas, |code| format!("area {code}"));
    });
    let finest = format!("the finest level of table {table}");
    found.value(&format!("{at}/finest_area"), &finest, pair.member(|o| &o.finest_area), |l| {
        l.words().to_owned()
    });
    let names = |flows: &[Flow], output: Option<&Output>| {
        output.map(|output| output.sources.iter().map(|s| source(flows, *s)).collect())
    };
    let of = format!(" as a source of table {table}");
    let (old, new): (Option<Vec<String>>, _) = (names(before, pair.old), names(after, pair.new));
    let sources = Pair { old: old.as_ref(), new: new.as_ref() };
    found.set(&format!("{at}/sources"), &of, sources, Clone::clone);
}

fn source(flows: &[Flow], source: Source) -> String {
    let Source { flow, purpose } = source;
    let flow = flows.get(usize::from(flow)).map_or_else(
        || format!("flow {flow}"),
        |flow| format!("{} from {}", flow.record_type, flow.from),
    );
    format!("{flow} for {}", purpose.words())
}

pub(super) fn retained(found: &mut Found, at: &str, pair: Pair<'_, Retention>) {
    let Some(Retention { record_type, days: _, from_event: _ }) = pair.either() else { return };
    let long = format!("for how many days {record_type} is kept");
    found.plain(&format!("{at}/days"), &long, pair.member(|r| &r.days));
    let from = format!("from when the keeping of {record_type} is counted");
    found.value(&format!("{at}/from_event"), &from, pair.member(|r| &r.from_event), |f| {
        f.words().to_owned()
    });
}
