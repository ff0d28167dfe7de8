//! What customers say: tickets, survey answers, reviews.

use super::calendar::{Day, EXPORT_DAY, add_months, instant, micros};
use super::life::Life;
use super::product::users;
use super::rng::{Rng, Stream};
use super::tables::Tables;

const TICKET_MONTHS: i32 = 12;
const SURVEY_MONTHS: i32 = 18;
/// Ids of one customer's tickets follow each other; no customer has more.
const TICKETS_PER_CUSTOMER: i64 = 1_000;

pub(super) fn write(life: &Life, tables: &mut Tables) {
    let spans = life.spans();
    tickets(life, &spans, tables);
    surveys(life, &spans, tables);
    review(life, &spans, tables);
}

fn tickets(life: &Life, spans: &[(Day, Day)], tables: &mut Tables) {
    let who = &life.who;
    let mut rng = who.rng(Stream::Support);
    let kept_from = add_months(EXPORT_DAY, -TICKET_MONTHS);
    // The worse the fit, the more to ask.
    let monthly = who.segment().of(70_000, 150_000, 330_000) * (1_500 - who.fit) / 1_000;
    let first_id = who.key.bigint() % 7_000_000_000 * TICKETS_PER_CUSTOMER;
    let mut n = 0;
    for &(from, to) in spans {
        let mut month = from.max(kept_from);
        while month < to && n < TICKETS_PER_CUSTOMER {
            let days = (to - month).min(30);
            if rng.chance(monthly) {
                let day = month + rng.days(0, days - 1);
                ticket(life, &mut rng, first_id + n, day, tables);
                n += 1;
            }
            month += 30;
        }
    }
}

fn ticket(life: &Life, rng: &mut Rng, id: i64, day: Day, tables: &mut Tables) {
    let table = &mut tables.tickets;
    let priority = rng.weighted(&[("low", 24), ("normal", 52), ("high", 18), ("urgent", 6)]);
    let slow = match priority {
        "urgent" => 1,
        "high" => 3,
        "normal" => 8,
        _ => 16,
    };
    let created = instant(day, rng.int(7 * 60, 22 * 60) * 60);
    let replied = created + 60 * rng.skewed(4, 90 * slow);
    let solved = replied + 60 * rng.skewed(10, 900 * slow);
    let end = instant(EXPORT_DAY - 1, 86_399);
    let forgotten = rng.chance(8_000);
    table.ticket_id.push(id);
    table.customer_id.push(&life.who.key);
    table.created_at.push(micros(created));
    table.first_reply_at.push((replied <= end).then_some(micros(replied)));
    table.solved_at.push((solved <= end && !forgotten).then_some(micros(solved)));
    table.priority.push(priority);
    table.channel.push(rng.weighted(&[("email", 46), ("chat", 34), ("web", 15), ("phone", 5)]));
    let unhappy = rng.chance(40_000 + (999 - life.who.fit) * 90);
    let reopened = if unhappy { rng.days(1, 3) } else { 0 };
    table.reopened_count.push(reopened);
    if solved <= end && !forgotten && rng.chance(180_000) {
        let fit = life.who.fit - i64::from(reopened) * 150;
        let day = day + 1;
        let nth = usize::try_from(id % TICKETS_PER_CUSTOMER).unwrap_or(0);
        answer(life, rng, (Question::Csat, nth), (fit, day), tables);
    }
}

#[derive(Clone, Copy)]
enum Question {
    Nps,
    Csat,
    Ces,
}

fn surveys(life: &Life, spans: &[(Day, Day)], tables: &mut Tables) {
    let who = &life.who;
    let mut rng = who.rng(Stream::Survey);
    let kept_from = add_months(EXPORT_DAY, -SURVEY_MONTHS);
    let mut nth = 0;
    for &(from, to) in spans {
        let mut asked = (from + 45).max(kept_from + rng.days(0, 80));
        while asked < to {
            let response = who.segment().of(90_000, 200_000, 340_000);
            if rng.chance(response) {
                // In the last quarter before leaving, people say so.
                let leaving = to < EXPORT_DAY && to - asked < 90;
                let fit = if leaving { who.fit - 250 } else { who.fit };
                answer(life, &mut rng, (Question::Nps, nth), (fit, asked), tables);
                if rng.chance(160_000) {
                    answer(life, &mut rng, (Question::Ces, nth), (fit, asked), tables);
                }
            }
            asked += 90;
            nth += 1;
        }
    }
}

/// The customer's `nth` answer to a question, from somebody who feels as `fit` says.
fn answer(life: &Life, rng: &mut Rng, (question, nth): (Question, usize), (fit, day): (i64, Day), tables: &mut Tables) {
    let (name, low, high) = match question {
        Question::Nps => ("nps", 0, 10),
        Question::Csat => ("csat", 1, 5),
        Question::Ces => ("ces", 1, 7),
    };
    let day = (day + rng.days(0, 6)).min(EXPORT_DAY - 1);
    // People who answer lean to the upper half of the scale.
    let mood = (480 + fit * 6 / 10 + rng.int(-230, 230)).clamp(0, 999);
    let score = low + i32::try_from(mood * i64::from(high - low + 1) / 1_000).unwrap_or(0);
    let table = &mut tables.survey_responses;
    let second = rng.int(8 * 60, 21 * 60) * 60;
    let user = usize::try_from(rng.skewed(0, users(life) - 1)).unwrap_or(0);
    let kind = match question {
        Question::Nps => "rn_",
        Question::Csat => "rc_",
        Question::Ces => "re_",
    };
    table.response_id.write(format_args!("{}", life.who.key.nth(kind, nth)));
    table.respondent_id.push(&life.who.key, user);
    table.customer_id.push(&life.who.key);
    table.question_type.push(name);
    table.score.push(score);
    table.scale_min.push(low);
    table.scale_max.push(high);
    table.responded_at.push(micros(instant(day, second)));
    table.channel.push(match question {
        Question::Csat => "ticket",
        _ => rng.pick(&["email", "in_app"]),
    });
    table.comment.push(None);
}

fn review(life: &Life, spans: &[(Day, Day)], tables: &mut Tables) {
    let who = &life.who;
    let mut rng = who.rng(Stream::Review);
    let Some(&(from, to)) = spans.last() else {
        return;
    };
    if to - from < 90 || !rng.chance(70_000) {
        return;
    }
    let table = &mut tables.reviews;
    let day = rng.days(from + 60, to - 1);
    let mood = (who.fit + rng.int(-200, 400)).clamp(0, 999);
    let rating = 1 + i32::try_from(mood / 200).unwrap_or(0);
    table.review_id.write(format_args!("{}", who.key.nth("rv_", 0)));
    table.customer_id.push(&who.key);
    table.site.push(rng.weighted(&[("g2", 5), ("capterra", 3), ("trustradius", 1)]));
    table.rating.push(rating);
    table.created_at.push(micros(instant(day, rng.int(480, 1_320) * 60)));
}
