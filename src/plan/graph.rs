//! Which table reads which, and an order in which they can be computed.

use indexmap::IndexMap;

use crate::diag::Diagnostics;
use crate::spec::file::TableNode;
use crate::spec::tree::{Kind, Node};
use crate::sql;

/// The key whose text is SQL that names what it reads.
const QUERY: &str = "query";

/// Tables in an order in which every table follows the ones it reads. `None` after a cycle was reported.
pub fn order<'a>(tables: &'a [TableNode], diags: &mut Diagnostics) -> Option<Vec<&'a TableNode>> {
    let by_name: IndexMap<&str, &TableNode> = tables.iter().map(|t| (t.name.as_str(), t)).collect();
    let mut walk = Walk { by_name: &by_name, state: IndexMap::new(), path: Vec::new(), order: Vec::new(), sound: true };
    for table in tables {
        walk.visit(table, diags);
    }
    walk.sound.then_some(walk.order)
}

/// Names of tables that a table refers to: by a key `from`, at any depth, or in the SQL of its `query`.
pub fn inputs(table: &TableNode, known: &IndexMap<&str, &TableNode>) -> Vec<String> {
    let mut out = Vec::new();
    froms(&table.body, &mut out);
    out.extend(table.body.get(QUERY).and_then(Node::text).map(sql::tables_read).unwrap_or_default());
    out.retain(|name| known.contains_key(name.as_str()));
    out
}

fn froms(node: &Node, out: &mut Vec<String>) {
    match &node.kind {
        Kind::Map(entries) => {
            // Keys below `params` are names that the user chose.
            for entry in entries.iter().filter(|e| !e.is_note() && e.key != "params") {
                if entry.key == "from" {
                    out.extend(entry.value.text().map(str::to_owned));
                    out.extend(entry.value.items().iter().filter_map(Node::text).map(str::to_owned));
                }
                froms(&entry.value, out);
            }
        }
        Kind::Seq(items) => items.iter().for_each(|i| froms(i, out)),
        Kind::Null | Kind::Scalar { .. } => {}
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Done,
}

struct Walk<'a, 'b> {
    by_name: &'b IndexMap<&'a str, &'a TableNode>,
    state: IndexMap<&'a str, State>,
    path: Vec<&'a str>,
    order: Vec<&'a TableNode>,
    sound: bool,
}

impl<'a> Walk<'a, '_> {
    fn visit(&mut self, table: &'a TableNode, diags: &mut Diagnostics) {
        match self.state.get(table.name.as_str()) {
            Some(State::Done) => return,
            Some(State::Open) => {
                let start = self.path.iter().position(|p| *p == table.name).unwrap_or(0);
                diags.cycle(table.key_span, &self.path[start..]);
                self.sound = false;
                return;
            }
            None => {}
        }
        self.state.insert(&table.name, State::Open);
        self.path.push(&table.name);
        for input in inputs(table, self.by_name) {
            if let Some(next) = self.by_name.get(input.as_str()) {
                self.visit(next, diags);
            }
        }
        self.path.pop();
        self.state.insert(&table.name, State::Done);
        self.order.push(table);
    }
}
