//! What sales and success people record: opportunities and meetings.

use super::calendar::{Day, EXPORT_DAY, add_months, instant, micros};
use super::ids::crm_id;
use super::life::{Deal, DealKind, Life};
use super::profile::{Path, Segment};
use super::rng::{Rng, Stream};
use super::tables::Tables;

/// The company moved to its CRM then; older deals were not taken over.
const CRM_MONTHS: i32 = 18;
const MEETING_MONTHS: i32 = 12;

pub(super) fn write(life: &Life, tables: &mut Tables) {
    opportunities(life, tables);
    meetings(life, tables);
}

/// Where an opportunity stands.
struct Stage {
    name: &'static str,
    won: bool,
    closed: bool,
}

const WON: Stage = Stage { name: "Closed Won", won: true, closed: true };
const LOST: Stage = Stage { name: "Closed Lost", won: false, closed: true };

fn opportunities(life: &Life, tables: &mut Tables) {
    let who = &life.who;
    let mut rng = who.rng(Stream::Sales);
    let kept_from = add_months(EXPORT_DAY, -CRM_MONTHS);
    let mut n = 0;
    for deal in life.deals.iter().filter(|deal| deal.closed >= kept_from) {
        // Small customers buy on the web; sales sees those who move.
        if who.segment_on(deal.closed) == Segment::Smb && deal.kind != DealKind::CrossSell {
            continue;
        }
        opportunity(life, &mut rng, deal, if deal.won { &WON } else { &LOST }, n, tables);
        n += 1;
        // Not every proposal of more is taken.
        let proposal = matches!(deal.kind, DealKind::Upsell | DealKind::CrossSell);
        if proposal && rng.chance(900_000) {
            let declined = Deal {
                kind: deal.kind,
                closed: (deal.closed + rng.days(-60, 90)).clamp(kept_from, EXPORT_DAY - 1),
                won: false,
                annual: deal.annual * rng.int(60, 140) / 100,
            };
            opportunity(life, &mut rng, &declined, &LOST, n, tables);
            n += 1;
        }
    }
    let last_signup = who.signed_up >= kept_from;
    if who.path != Path::Paying && who.segment() != Segment::Smb && last_signup {
        let lost = Deal {
            kind: DealKind::NewBusiness,
            closed: who.signed_up + rng.days(20, 90),
            won: false,
            annual: who.segment().of(2_000, 24_000, 180_000) * rng.int(50, 160) * who.currency.minor_units() / 100,
        };
        let open = lost.closed >= EXPORT_DAY;
        let stage = if open { &in_progress(&mut rng) } else { &LOST };
        opportunity(life, &mut rng, &lost, stage, n, tables);
    }
}

fn in_progress(rng: &mut Rng) -> Stage {
    Stage { name: rng.pick(&["Qualification", "Proposal", "Negotiation"]), won: false, closed: false }
}

fn opportunity(life: &Life, rng: &mut Rng, deal: &Deal, stage: &Stage, n: usize, tables: &mut Tables) {
    let table = &mut tables.opportunities;
    let currency = life.who.currency;
    let ahead = match deal.kind {
        DealKind::NewBusiness => rng.days(15, 90),
        DealKind::Renewal => 90,
        _ => rng.days(5, 45),
    };
    let created = (deal.closed - ahead).max(life.who.signed_up).min(EXPORT_DAY - 1);
    table.id.write(format_args!("{}", crm_id(life.who.key.index, n)));
    table.customer_id.push(&life.who.key);
    table.type_.push(match deal.kind {
        DealKind::NewBusiness => "New Business",
        DealKind::Renewal => "Renewal",
        DealKind::Upsell => "Upsell",
        DealKind::CrossSell => "Cross-sell",
    });
    // Sales people write round numbers.
    let major = deal.annual / currency.minor_units();
    let step = if currency.minor_units() == 1 { 10_000 } else { 100 };
    let round = (major / step).max(1).saturating_mul(step);
    table.amount.push(f64::from(i32::try_from(round).unwrap_or(i32::MAX)));
    table.currency_iso_code.push(currency.iso_code());
    table.close_date.push(deal.closed);
    table.stage_name.push(stage.name);
    table.is_won.push(stage.won);
    table.is_closed.push(stage.closed);
    table.created_date.push(micros(instant(created, rng.int(9 * 60, 18 * 60) * 60)));
}

fn meetings(life: &Life, tables: &mut Tables) {
    let who = &life.who;
    let mut rng = who.rng(Stream::Meetings);
    let kept_from = add_months(EXPORT_DAY, -MEETING_MONTHS);
    let mut n = 0;
    let mut meet = |day: Day, kind: &'static str, rng: &mut Rng| {
        if day < kept_from || day >= EXPORT_DAY {
            return;
        }
        let table = &mut tables.meetings;
        table.meeting_id.write(format_args!("{}", who.key.nth("mt_", n)));
        table.customer_id.push(&who.key);
        let slot = rng.int(18, 34) * 1_800;
        table.held_at.push(micros(instant(day, slot)));
        table.kind.push(kind);
        n += 1;
    };
    for (at, (from, to)) in life.spans().into_iter().enumerate() {
        let segment = who.segment_on(from);
        if at == 0 && rng.chance(segment.of(60_000, 600_000, 950_000)) {
            meet(from + rng.days(1, 10), "onboarding", &mut rng);
        }
        let mut day = from + 90;
        while day < to {
            if rng.chance(segment.of(4_000, 180_000, 620_000)) {
                meet((day + rng.days(0, 20)).min(to - 1), "business_review", &mut rng);
            }
            if rng.chance(segment.of(10_000, 120_000, 350_000)) {
                meet((day + rng.days(21, 60)).min(to - 1), "check_in", &mut rng);
            }
            day += 90;
        }
    }
}
