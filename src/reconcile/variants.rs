//! A ledger of a pipeline with other values of its options.

use super::Fault;
use super::options::Alternative;
use crate::diag::{Diagnostics, nearest};
use crate::plan::{Request, RunPlan, TablePlan, resolve};
use crate::sources::Catalog;
use crate::spec::edit::{Edit, edited};
use crate::spec::file::{PipelineFile, TableNode};
use crate::spec::tree::Node;

/// Type of the tables that can be compared.
const LEDGER: &str = "mrr_ledger";

/// The pipeline reduced to one ledger.
pub struct Variants {
    file: PipelineFile,
    catalog: Catalog,
    request: Request,
    ledger: TableNode,
}

/// The ledger that `wanted` names or is made from; without a name the only one there is.
///
/// # Errors
/// When there is no such table, no ledger behind it, or more than one to choose from.
pub fn ledger_of(plan: &RunPlan, wanted: Option<&str>) -> Result<String, Fault> {
    let ledgers = || plan.tables.iter().filter(|t| t.ty == LEDGER).map(|t| t.name.as_str());
    let named = |names: &[&str]| format!("`--table {}`", names.join("` or `--table "));
    let Some(wanted) = wanted else {
        let all: Vec<&str> = ledgers().collect();
        return match all[..] {
            [one] => Ok(one.to_owned()),
            [] => Err(Fault::usage(
                "the pipeline has no table of type `mrr_ledger`",
                "add one; its page is `tenure metrics mrr_ledger`",
            )),
            _ => Err(Fault::usage(
                format!("the pipeline has {} ledgers", all.len()),
                format!("choose one with {}", named(&all)),
            )),
        };
    };
    let names: Vec<&str> = plan.tables.iter().map(|t| t.name.as_str()).collect();
    let Some(table) = plan.tables.iter().find(|t| t.name == wanted) else {
        let help = match nearest(wanted, &names) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("tables: {}", names.join(", ")),
        };
        return Err(Fault::usage(format!("the pipeline has no table `{wanted}`"), help));
    };
    if table.ty == LEDGER {
        return Ok(wanted.to_owned());
    }
    let behind = table.inputs.iter().find(|input| ledgers().any(|ledger| ledger == input.as_str()));
    behind.cloned().ok_or_else(|| {
        Fault::usage(
            format!("table `{wanted}` is not made from a ledger"),
            format!("choose one with {}", named(&ledgers().collect::<Vec<_>>())),
        )
    })
}

impl Variants {
    /// The ledger of that name. Dimensions are left out: they change no amount of a customer.
    ///
    /// # Errors
    /// When the file has no such table.
    pub fn new(mut file: PipelineFile, catalog: Catalog, mut request: Request, ledger: &str) -> Result<Self, Fault> {
        let at = file.tables.iter().position(|t| t.name == ledger);
        let Some(at) = at else {
            return Err(Fault::usage(format!("the pipeline has no table `{ledger}`"), "name a ledger with `--table`"));
        };
        let mut table = file.tables.swap_remove(at);
        table.body = edited(&table.body, &[Edit { path: "dimensions".to_owned(), value: None }]);
        file.cases.clear();
        file.header.publish.together.clear();
        file.header.publish.retain = None;
        request.select.clear();
        request.exclude.clear();
        Ok(Self { file, catalog, request, ledger: table })
    }

    /// The ledger as written.
    #[must_use]
    pub fn body(&self) -> &Node {
        &self.ledger.body
    }

    /// The ledger with other values; `None` where it cannot have them.
    pub fn with(&mut self, edits: &[Edit]) -> Option<TablePlan> {
        self.plan(edits)?.tables.pop()
    }

    /// A plan of nothing but the ledger with other values.
    pub fn plan(&mut self, edits: &[Edit]) -> Option<RunPlan> {
        let table = TableNode { body: edited(&self.ledger.body, edits), ..self.ledger.clone() };
        self.file.tables = vec![table];
        // Whether a value fits is the question; nobody is told of the mistake.
        let mut unheard = Diagnostics::without_file();
        resolve(&self.file, &self.catalog, &self.request, &mut unheard).filter(|_| !unheard.has_errors())
    }

    /// Those values of a list of changes that the ledger can have, together.
    pub fn possible(&mut self, alternative: &Alternative) -> Option<Alternative> {
        let mut edits: Vec<Edit> = Vec::new();
        for edit in &alternative.edits {
            edits.push(edit.clone());
            if self.with(&edits).is_none() {
                edits.pop();
            }
        }
        (!edits.is_empty()).then(|| Alternative { rule: alternative.rule.clone(), edits })
    }
}
