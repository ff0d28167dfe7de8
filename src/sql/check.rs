//! What can be said of a query before it is planned: what is not allowed, and names that are not there.

use super::query::{Fault, Query, Word};

/// A table that a query reads, as far as its columns are known.
#[derive(Clone, Debug)]
pub struct Known {
    /// Its name in the pipeline.
    pub name: String,
    /// Its columns.
    pub columns: Vec<String>,
}

/// A column that no table of the query has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strange {
    /// The column, and where it is named.
    pub word: Word,
    /// The table it is said to be of; `None` where it could be of any.
    pub table: Option<String>,
    /// The columns that are there.
    pub known: Vec<String>,
}

impl Query {
    /// Everything that is not allowed in it.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        let mut out = self.seen().faults;
        let ctes = self.ctes();
        for (index, cte) in ctes.iter().enumerate() {
            if ctes[..index].iter().any(|other| other.name == cte.name) {
                out.push(Fault::new(
                    Some(cte.at.clone()),
                    format!("WITH defines `{}` twice", cte.name),
                    "give one of them another name",
                ));
            }
        }
        out
    }

    /// Columns that certainly do not exist: no table of the query has them, and the query does not name them itself.
    #[must_use]
    pub fn strange_columns(&self, tables: &[Known]) -> Vec<Strange> {
        let seen = self.seen();
        let mut out = Vec::new();
        for (table, column) in &seen.columns {
            let name = column.value.as_str();
            // An alias that stands for one table of the pipeline, and for nothing else, has that table's columns.
            let of = table.as_ref().and_then(|alias| {
                let mut found = seen.tables.iter().filter(|(seen_as, _)| *seen_as == alias.value);
                let (_, first) = found.next()?;
                let only = found.all(|(_, other)| other == first);
                tables.iter().find(|known| only && known.name == *first)
            });
            let named = seen.aliases.contains(name) || seen.tables.iter().any(|(seen_as, _)| seen_as == name);
            let exists = match of {
                Some(known) => known.columns.iter().any(|c| c == name),
                None => named || tables.iter().any(|known| known.columns.iter().any(|c| c == name)),
            };
            if !exists {
                let known = match of {
                    Some(known) => known.columns.clone(),
                    None => tables.iter().flat_map(|known| known.columns.iter().cloned()).collect(),
                };
                let table = of.map(|known| known.name.clone()).or_else(|| match tables {
                    [only] => Some(only.name.clone()),
                    _ => None,
                });
                out.push(Strange { word: Word { name: name.to_owned(), at: self.at(column) }, table, known });
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strange(text: &str) -> Vec<(String, Option<String>)> {
        let tables = [
            Known { name: "ledger".into(), columns: vec!["customer_id".into(), "mrr_delta".into()] },
            Known { name: "customers".into(), columns: vec!["customer_id".into(), "country".into()] },
        ];
        let query = Query::parse(text).unwrap();
        let read: Vec<Known> =
            tables.into_iter().filter(|known| query.tables().iter().any(|word| word.name == known.name)).collect();
        query.strange_columns(&read).into_iter().map(|s| (s.word.name, s.table)).collect()
    }

    #[test]
    fn names_of_the_query_itself_are_no_mistakes() {
        for text in [
            "SELECT l.customer_id AS who, SUM(mrr_delta) AS mrr FROM ledger AS l GROUP BY who ORDER BY mrr, who",
            "WITH big (id, x) AS (SELECT customer_id, 1 FROM ledger) SELECT big.id, x FROM big",
            "SELECT c.n FROM (SELECT country AS n FROM customers) AS c",
            "SELECT country FROM ledger JOIN customers USING (customer_id)",
            "SELECT COUNT(*) FROM ledger",
        ] {
            assert_eq!(strange(text), [], "{text}");
        }
    }

    #[test]
    fn columns_that_are_nowhere_are_told_with_their_table() {
        assert_eq!(strange("SELECT mrr_dleta FROM ledger"), [("mrr_dleta".into(), Some("ledger".into()))]);
        assert_eq!(
            strange("SELECT l.country, c.country FROM ledger l JOIN customers c ON l.customer_id = c.id"),
            [("country".into(), Some("ledger".into())), ("id".into(), Some("customers".into()))]
        );
        assert_eq!(
            strange("SELECT nothing FROM ledger JOIN customers USING (customer_id)"),
            [("nothing".into(), None)]
        );
    }
}
