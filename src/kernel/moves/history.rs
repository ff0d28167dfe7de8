//! Movements with the values of dimensions, and the transfers where these change: a whole ledger.

use polars::prelude::*;
use rayon::prelude::*;

use super::Moves;
use super::kinds::{Row, Told};
use crate::expr::parts::PARTS;
use crate::expr::sequence::{INTO, OUT};
use crate::kernel::Steps;
use crate::kernel::book::{Book, Codes, Kind, sequence};
use crate::kernel::versions::{Histories, UNUSED, Versions};

/// A ledger that is made of more than intervals, from its steps.
#[derive(Clone, Copy, Debug)]
pub struct Movements<'a> {
    /// Its movements.
    pub moves: Moves<'a>,
    /// Step that only the query needs: the movements as a frame.
    pub instead_of: &'static str,
    /// Step with the values of the dimensions: `customer_id`, `day` (from when on), the dimensions.
    pub versions: Option<&'static str>,
    /// Names of the dimensions.
    pub dimensions: &'a [String],
    /// Whether a row has the values of its day. Without, all rows of a customer have the latest ones.
    pub transfers: bool,
}

impl Movements<'_> {
    /// The book of the ledger; `None` as [`Moves`].
    pub(in crate::kernel) fn book(&self, steps: &Steps) -> PolarsResult<Option<Book>> {
        let Some(series) = steps.get(self.moves.series) else { return Ok(None) };
        let Some((told, reasons)) = self.moves.told(steps)? else { return Ok(None) };
        let known = match self.versions {
            None => None,
            Some(name) => {
                let Some(versions) = steps.get(name) else { return Ok(None) };
                Some((Versions::new(self.dimensions, versions)?, versions.column("customer_id")?))
            }
        };
        let known = known.map(|(versions, ids)| {
            Ok::<_, PolarsError>((versions.histories(series.column("customer_id")?, ids)?, versions))
        });
        let known = known.transpose()?;
        let owners = Owners::new(&self.moves, series)?;
        let told: Vec<(Told, Vec<u32>)> = match &known {
            Some((histories, versions)) if self.transfers => {
                told.into_par_iter().map(|told| self.dated(&told, &owners, versions, histories)).collect()
            }
            _ => told.into_iter().map(|told| (told, Vec::new())).collect(),
        };
        let (mut book, of_series, held) = joined(told, reasons.is_some());
        let own: Vec<u32> = of_series.iter().map(|number| owners.series(*number)).collect();
        let at = IdxCa::from_iter_values("at".into(), own.iter().copied());
        book.customers = series.column("customer_id")?.take(&at)?;
        book.currencies = if let Some(conversion) = &self.moves.conversion {
            let mut codes = Codes::default();
            let code = codes.code(Some(conversion.reporting));
            codes.with(vec![code; own.len()])
        } else {
            let codes = Codes::new(series.column("currency")?.str()?);
            codes.with(own.iter().map(|series| codes.of[*series as usize]).collect())
        };
        if let Some(mut codes) = reasons {
            let none = codes.code(None);
            codes.of = std::mem::take(&mut book.reasons.of);
            codes.of.iter_mut().filter(|code| **code == UNUSED).for_each(|code| *code = none);
            book.reasons = codes;
        }
        if let Some((histories, versions)) = &known {
            book.dimensions = if self.transfers {
                versions.dimensions(&held, false)
            } else {
                let latest = own.iter().map(|series| histories.of(*series).last().copied().unwrap_or(UNUSED));
                versions.dimensions(&latest.collect::<Vec<_>>(), true)
            };
        }
        Ok(Some(book))
    }

    /// Movements with transfers among them, and by row the version that holds after it.
    fn dated(&self, told: &Told, owners: &Owners, versions: &Versions, histories: &Histories) -> (Told, Vec<u32>) {
        let (mut out, mut held) = (Told::default(), Vec::with_capacity(told.days.len()));
        let mut first = 0;
        for own in told.series.chunk_by(|a, b| a == b) {
            let mut history = histories.of(owners.series(own[0])).iter().copied();
            // The oldest version also holds before its first day.
            let mut now = history.next().unwrap_or(UNUSED);
            let mut history = history.peekable();
            let mut last = None::<Row>;
            for at in first..first + own.len() {
                let row = told.row(at);
                while let Some(next) = history.next_if(|next| versions.day(*next) <= Some(row.day)) {
                    self.transfer(own[0], versions, (now, next), last.as_ref(), (&mut out, &mut held));
                    now = next;
                }
                last = Some(row);
                out.push(&self.moves, own[0], row);
                held.push(now);
            }
            for next in history {
                self.transfer(own[0], versions, (now, next), last.as_ref(), (&mut out, &mut held));
                now = next;
            }
            first += own.len();
        }
        (out, held)
    }

    /// Moves what runs from one version to the next.
    fn transfer(
        &self,
        series: u32,
        versions: &Versions,
        (from, to): (u32, u32),
        last: Option<&Row>,
        (out, held): (&mut Told, &mut Vec<u32>),
    ) {
        let Some(last) = last.filter(|last| last.after > 0 && versions.differ(from, to)) else { return };
        let (amount, constant) = (last.after, last.constant.1);
        let row = Row {
            day: versions.day(to).unwrap_or(last.day),
            sequence: OUT,
            kind: Kind::TransferOut,
            delta: -amount,
            after: 0,
            constant: (-constant, 0),
            reason: None,
            parts: [0; PARTS.len()],
            ..*last
        };
        let into = Row {
            sequence: INTO,
            kind: Kind::TransferIn,
            delta: amount,
            after: amount,
            constant: (constant, constant),
            ..row
        };
        out.push(&self.moves, series, row);
        out.push(&self.moves, series, into);
        held.extend([from, to]);
    }
}

/// What series movements are of: these are numbered by series, or where currencies are converted by customer.
struct Owners {
    /// By customer the first of its series.
    first: Option<Vec<u32>>,
}

impl Owners {
    fn new(of: &Moves<'_>, series: &DataFrame) -> PolarsResult<Self> {
        if of.conversion.is_none() {
            return Ok(Self { first: None });
        }
        let owners = series.column("owner")?.u32()?;
        let mut first = vec![UNUSED; owners.max().map_or(0, |last| last as usize + 1)];
        for (series, owner) in (0..).zip(owners.into_no_null_iter()) {
            let first = &mut first[owner as usize];
            *first = (*first).min(series);
        }
        Ok(Self { first: Some(first) })
    }

    fn series(&self, number: u32) -> u32 {
        self.first.as_ref().map_or(number, |first| first[number as usize])
    }
}

/// All shares as one book; the number of each of its series, and by row the version that holds.
fn joined(told: Vec<(Told, Vec<u32>)>, reasons: bool) -> (Book, Vec<u32>, Vec<u32>) {
    let mut book = Book { bounds: Vec::new(), parts: vec![Vec::new(); PARTS.len()], ..Book::default() };
    let (mut of_series, mut all_held) = (Vec::new(), Vec::new());
    for (told, held) in told {
        let rows = book.dated.len();
        let mut last = None;
        for (at, own) in told.series.iter().zip(&told.first_paid).enumerate() {
            if last.replace(own) != Some(own) {
                of_series.push(*own.0);
                book.first_paid.push(*own.1);
                book.bounds.push(rows + at);
            }
        }
        book.dated.extend(told.days);
        book.sequence.extend(told.sequence.iter().map(|order| sequence(*order)));
        book.kinds.extend(told.kinds);
        book.delta.extend(told.delta);
        book.after.extend(told.after);
        book.constant_delta.extend(told.constant.iter().map(|(delta, _)| *delta));
        book.constant_after.extend(told.constant.iter().map(|(_, after)| *after));
        book.paused_after.extend(told.paused_after);
        for (at, part) in book.parts.iter_mut().enumerate() {
            part.extend(told.parts.iter().map(|parts| parts[at]));
        }
        if reasons {
            book.reasons.of.extend(told.reasons.iter().map(|reason| reason.unwrap_or(UNUSED)));
        }
        all_held.extend(held);
    }
    book.bounds.push(book.dated.len());
    (book, of_series, all_held)
}
