//! Ways to damage a pipeline file: in its tree, and in its text.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::tree::Tree;

/// Values that a key may not be made for.
pub const NASTY: &[&str] = &[
    "",
    "~",
    "null",
    "0",
    "-1",
    "-0",
    "1",
    "13",
    "2147483648",
    "4294967296",
    "9223372036854775807",
    "-9223372036854775808",
    "99999999999999999999999999",
    "1e400",
    "-1e400",
    "1.5",
    "NaN",
    ".inf",
    "0x10",
    "0o17",
    "1_000",
    "true",
    "no",
    "80%",
    "0%",
    "-5%",
    "1e9%",
    "100.0000001%",
    "99999999999999%",
    "10m",
    "0s",
    "99999999999999d",
    "1.5h",
    "-3d",
    "2026-02-30",
    "0001-01-01",
    "9999-12-31",
    "-9999-01-01",
    "2026-06-30T00:00:00Z",
    "day",
    "week",
    "year",
    "latest",
    "all",
    "USD",
    "usd",
    "XXX",
    "JPY",
    "KWD",
    "日本語",
    "\"\\u202eabc\"",
    "\"a\\0b\"",
    "\"a\\nb\"",
    "' '",
    "''",
    "'a''b'",
    "é",
    "e\u{301}",
    "\u{feff}x",
    "${exports}",
    "'${exports}'",
    "'${nope}'",
    "'${'",
    "'$${x}'",
    "[]",
    "{}",
    "[a, b]",
    "{a: b}",
    "[[[[a]]]]",
    "*base",
    "&base x",
    "*none",
    "!!int 3",
    "!x y",
    "|",
    ">",
    "'# c'",
    "customers",
    "ledger",
    "movements",
    "subscription_items",
    "survey_responses",
    "customers.customer_id",
    "customer_id",
    "nope.nope",
    "'.'",
    "'..'",
    "quantity",
    "score",
    "segment",
    "string",
    "money",
    "float",
    "timestamp",
    "date",
    "bool",
    "int",
    "epoch_ms",
    "number",
    "America/New_York",
    "Etc/GMT+25",
    "UTC",
    "../../etc/passwd",
    "'^(a+)+$'",
    "'['",
    "'((a{100}){100}){100}'",
    "'(?<x'",
    "'a[!'",
    "'**'",
    "'***'",
    "mrr_ledger",
    "mrr_movements",
    "nps",
    "ltv",
    "cohort_retention",
    "revenue_retention",
    "churn",
    "sql",
    "_tenure",
    "CON",
    "x-y",
    "Zz",
];

/// Conditions that no row should ever meet.
pub const SQL: &[&str] = &[
    "livemode",
    "1 = 1",
    "1/0 = 1",
    "quantity / 0 > 1",
    "quantity",
    "count(*) > 1",
    "sum(quantity) > 1",
    "quantity > (SELECT 1)",
    "SELECT 1",
    "quantity IN ()",
    "quantity IN (NULL)",
    "quantity = NULL",
    "NULL",
    "livemode; DROP TABLE x",
    "livemode --",
    "livemode /*",
    "'",
    "\"",
    "(",
    ")",
    "quantity >",
    "status LIKE '%",
    "status LIKE '%\\'",
    "status ~ '('",
    "status ~ '(a{1000}){1000}'",
    "CAST(status AS INTEGER) > 0",
    "quantity::nope > 1",
    "quantity > 99999999999999999999999999",
    "quantity + 9223372036854775807 > 0",
    "- - - quantity > 1",
    "NOT NOT NOT livemode",
    "CASE WHEN livemode THEN 1 END",
    "CASE WHEN livemode THEN true END",
    "sum(quantity) OVER () > 1",
    "row_number() OVER (ORDER BY quantity) = 1",
    "started_on > DATE '2026-02-30'",
    "started_on > '2026-01-01'",
    "started_on + INTERVAL '1 day' > ended_on",
    "INTERVAL 'x' > 1",
    "substr(status, -9, 99999999999) = ''",
    "repeat(status, 99999999999) = ''",
    "unnest(quantity) = 1",
    "explode(quantity)",
    "quantity[0] = 1",
    "x'zz' = 'a'",
    "unit_price > 0.00000000000000000000000000001",
    "unit_price * unit_price > 1",
    "status || status || status = ''",
    "COALESCE(quantity, status) = 1",
    "quantity BETWEEN 1 AND",
    "*",
    "subscription_items.quantity > 0",
    "nope > 0",
    "QUANTITY > 0",
    "\"quantity\" > 0",
    "quantity > 0 OR *",
    "EXISTS (SELECT 1)",
    "quantity > ALL (SELECT 1)",
    "ROUND(quantity, 99999) > 0",
    "LPAD(status, 999999999999, 'x') = ''",
    "STRPTIME(status, '%') IS NULL",
    "DATE(status) IS NULL",
    "quantity % 0 = 0",
    "POW(quantity, 999999) > 0",
    "status IN (1, 'a')",
    "(quantity, status) = (1, 'a')",
    "SELECT * FROM ledger",
    "SELECT nope FROM ledger",
    "SELECT customer_id FROM ledger UNION ALL SELECT segment FROM ledger",
    "SELECT customer_id, count(*) FROM ledger",
    "SELECT customer_id FROM big_accounts",
    "SELECT 1/0 AS customer_id",
    "WITH a AS (SELECT * FROM a) SELECT * FROM a",
    "SELECT a.customer_id FROM ledger a JOIN ledger b USING (customer_id)",
    "SELECT customer_id FROM ledger LIMIT 3",
    "SELECT month_start(customer_id) AS customer_id FROM ledger",
    "SELECT customer_id FROM ledger WHERE mrr_delta > :nope",
    "DELETE FROM ledger",
    "TRUE",
    "quantity IS DISTINCT FROM 1",
    "$1 = 1",
    ":x = 1",
    "? = 1",
    "@x",
    "quantity > -9223372036854775808",
    "len(status) > 0",
];

/// One change of the tree.
#[derive(Clone, Debug)]
pub enum Change {
    /// A child is taken away.
    Delete(Index, Index),
    /// A child is there twice.
    Duplicate(Index, Index),
    /// Two children swap their places, or two keys their values.
    Swap(Index, Index, Index),
    /// A key is written another way, or is the key of another map.
    Rename(Index, Index, Key),
    /// A value becomes another one.
    Replace(Index, &'static str),
    /// A condition becomes another one.
    Condition(Index, &'static str),
    /// A value becomes a copy of another part.
    Graft(Index, Index),
    /// A value moves this many lists or maps down.
    Wrap(Index, usize, bool),
    /// A value becomes this long.
    Long(Index, usize),
}

/// How a key is written.
#[derive(Clone, Debug)]
pub enum Key {
    /// The same with one character less.
    Shorter,
    /// A nasty one.
    Nasty(&'static str),
    /// A key from elsewhere in the file.
    Of(Index),
}

/// One change of the text.
#[derive(Clone, Debug)]
pub enum Edit {
    /// A piece is put in.
    Insert(Index, &'static str),
    /// So many bytes are lost.
    Lose(Index, usize),
    /// The file ends early.
    Cut(Index),
    /// Line ends of another system.
    LineEnds(&'static str),
    /// A byte order mark.
    Mark,
    /// A line is indented by a tab.
    Tab(Index),
    /// A line is there so often.
    Repeat(Index, usize),
    /// Two lines swap their places.
    SwapLines(Index, Index),
    /// So many lists in each other.
    Deep(Index, usize),
    /// An alias that grows with every step.
    Bomb(usize),
}

const PIECES: &[&str] = &[
    "\t",
    "\n",
    "\r",
    "\u{0}",
    "\u{feff}",
    "\u{2028}",
    "\u{85}",
    ":",
    ": ",
    "- ",
    "{",
    "}",
    "[",
    "]",
    ",",
    "&a ",
    "*a ",
    "<<: *a",
    "!!str ",
    "'",
    "\"",
    "|\n",
    ">-\n",
    "#",
    " #",
    "${",
    "}",
    "---\n",
    "...\n",
    "%YAML 1.2\n",
    "? ",
    "@",
    "`",
    "\\",
    "日",
    "\u{1f980}",
    "'${exports}'",
];

pub fn changes() -> impl Strategy<Value = Vec<Change>> {
    let i = any::<Index>;
    let key = prop_oneof![Just(Key::Shorter), select(NASTY).prop_map(Key::Nasty), i().prop_map(Key::Of)];
    let change = prop_oneof![
        2 => (i(), i()).prop_map(|(a, b)| Change::Delete(a, b)),
        1 => (i(), i()).prop_map(|(a, b)| Change::Duplicate(a, b)),
        1 => (i(), i(), i()).prop_map(|(a, b, c)| Change::Swap(a, b, c)),
        2 => (i(), i(), key).prop_map(|(a, b, k)| Change::Rename(a, b, k)),
        6 => (i(), select(NASTY)).prop_map(|(a, v)| Change::Replace(a, v)),
        3 => (i(), select(SQL)).prop_map(|(a, v)| Change::Condition(a, v)),
        2 => (i(), i()).prop_map(|(a, b)| Change::Graft(a, b)),
        1 => (i(), 1..120usize, any::<bool>()).prop_map(|(a, n, map)| Change::Wrap(a, n, map)),
        1 => (i(), select(&[100usize, 300, 10_000, 1_000_000][..])).prop_map(|(a, n)| Change::Long(a, n)),
    ];
    prop::collection::vec(change, 1..5)
}

pub fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let i = any::<Index>;
    let edit = prop_oneof![
        6 => (i(), select(PIECES)).prop_map(|(a, p)| Edit::Insert(a, p)),
        3 => (i(), 1..40usize).prop_map(|(a, n)| Edit::Lose(a, n)),
        1 => i().prop_map(Edit::Cut),
        1 => select(&["\r\n", "\r", "\n\n", "\u{2028}", "\u{85}"][..]).prop_map(Edit::LineEnds),
        1 => Just(Edit::Mark),
        1 => i().prop_map(Edit::Tab),
        1 => (i(), 1..300usize).prop_map(|(a, n)| Edit::Repeat(a, n)),
        2 => (i(), i()).prop_map(|(a, b)| Edit::SwapLines(a, b)),
        1 => (i(), select(&[10usize, 63, 65, 300, 100_000][..])).prop_map(|(a, n)| Edit::Deep(a, n)),
        1 => (1..12usize).prop_map(Edit::Bomb),
    ];
    prop::collection::vec(edit, 0..3)
}

/// The file after the changes.
pub fn changed(mut tree: Tree, changes: &[Change]) -> Tree {
    for change in changes {
        apply(&mut tree, change);
    }
    tree
}

fn apply(tree: &mut Tree, change: &Change) {
    let parents = tree.parents();
    let any = |tree: &Tree, index: &Index| index.index(tree.size().max(2) - 1) + usize::from(tree.size() > 1);
    let parent = |index: &Index| (!parents.is_empty()).then(|| *index.get(&parents));
    match change {
        Change::Delete(p, c) => {
            let Some(p) = parent(p) else { return };
            match tree.at(p) {
                Tree::Seq(items) => drop(items.remove(c.index(items.len()))),
                Tree::Map(entries) => drop(entries.remove(c.index(entries.len()))),
                Tree::Raw(_) => {}
            }
        }
        Change::Duplicate(p, c) => {
            let Some(p) = parent(p) else { return };
            match tree.at(p) {
                Tree::Seq(items) => items.push(c.get(items).clone()),
                Tree::Map(entries) => entries.push(c.get(entries).clone()),
                Tree::Raw(_) => {}
            }
        }
        Change::Swap(p, a, b) => {
            let Some(p) = parent(p) else { return };
            match tree.at(p) {
                Tree::Seq(items) => {
                    let n = items.len();
                    items.swap(a.index(n), b.index(n));
                }
                Tree::Map(entries) => {
                    let n = entries.len();
                    let (a, b) = (a.index(n), b.index(n));
                    let (first, second) = (entries[a].1.clone(), entries[b].1.clone());
                    (entries[a].1, entries[b].1) = (second, first);
                }
                Tree::Raw(_) => {}
            }
        }
        Change::Rename(p, c, key) => {
            let Some(p) = parent(p) else { return };
            let other = match key {
                Key::Of(of) => parent(of).and_then(|o| match tree.at(o) {
                    Tree::Map(entries) => Some(c.get(entries).0.clone()),
                    _ => None,
                }),
                _ => None,
            };
            if let Tree::Map(entries) = tree.at(p) {
                let at = c.index(entries.len());
                let name = &mut entries[at].0;
                match key {
                    Key::Shorter => drop(name.pop()),
                    Key::Nasty(text) => (*text).clone_into(name),
                    Key::Of(_) => other.into_iter().for_each(|o| *name = o),
                }
            }
        }
        Change::Replace(at, value) => *tree.at(any(tree, at)) = Tree::Raw((*value).to_owned()),
        Change::Condition(at, sql) => {
            let sql = Tree::Raw(format!("'{}'", sql.replace('\'', "''")));
            let mut places = Vec::new();
            for p in &parents {
                if let Tree::Map(entries) = tree.at(*p) {
                    let keys = ["test_mode", "metered", "unpaid", "other_question", "expr", "query"];
                    places
                        .extend((0..entries.len()).filter(|c| keys.contains(&entries[*c].0.as_str())).map(|c| (*p, c)));
                }
            }
            if places.is_empty() {
                return;
            }
            let (p, c) = *at.get(&places);
            if let Tree::Map(entries) = tree.at(p) {
                entries[c].1 = sql;
            }
        }
        Change::Graft(at, from) => {
            let part = tree.at(any(tree, from)).clone();
            if part.size() < 200 {
                *tree.at(any(tree, at)) = part;
            }
        }
        Change::Wrap(at, depth, map) => {
            let at = any(tree, at);
            let mut value = tree.at(at).clone();
            for _ in 0..*depth {
                value = if *map { Tree::Map(vec![("a".to_owned(), value)]) } else { Tree::Seq(vec![value]) };
            }
            *tree.at(at) = value;
        }
        Change::Long(at, length) => *tree.at(any(tree, at)) = Tree::Raw("x".repeat(*length)),
    }
}

/// The text after the edits.
pub fn edited(mut text: String, edits: &[Edit]) -> String {
    for edit in edits {
        let here = |index: &Index| {
            let mut at = index.index(text.len() + 1);
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        text = match edit {
            Edit::Insert(at, piece) => {
                let at = here(at);
                format!("{}{piece}{}", &text[..at], &text[at..])
            }
            Edit::Lose(at, count) => {
                let at = here(at);
                let rest: String = text[at..].chars().skip(*count).collect();
                format!("{}{rest}", &text[..at])
            }
            Edit::Cut(at) => text[..here(at)].to_owned(),
            Edit::LineEnds(end) => text.replace('\n', end),
            Edit::Mark => format!("\u{feff}{text}"),
            Edit::Tab(line) => with_lines(&text, |lines| {
                let at = line.index(lines.len());
                lines[at] = format!("\t{}", lines[at]);
            }),
            Edit::Repeat(line, times) => with_lines(&text, |lines| {
                let at = line.index(lines.len());
                let copy = lines[at].clone();
                lines.splice(at..at, std::iter::repeat_n(copy, *times));
            }),
            Edit::SwapLines(a, b) => with_lines(&text, |lines| {
                let n = lines.len();
                lines.swap(a.index(n), b.index(n));
            }),
            Edit::Deep(at, depth) => {
                let at = here(at);
                format!("{}{}{}{}", &text[..at], "[".repeat(*depth), "]".repeat(*depth), &text[at..])
            }
            Edit::Bomb(steps) => {
                let mut bomb = String::from("\nx-0: &a0 [x, x, x, x, x, x, x, x, x]\n");
                for step in 1..*steps {
                    let before = step - 1;
                    let aliases = vec![format!("*a{before}"); 9].join(", ");
                    bomb.push_str(&format!("x-{step}: &a{step} [{aliases}]\n"));
                }
                text + &bomb
            }
        };
    }
    text
}

fn with_lines(text: &str, change: impl FnOnce(&mut Vec<String>)) -> String {
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    change(&mut lines);
    lines.join("\n")
}
