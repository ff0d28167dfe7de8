//! Messages about `tests:`.

use super::{Code, Diagnostic, Diagnostics, Span, quote};

impl Diagnostics {
    /// A test cannot be run as it is written.
    pub fn case(&mut self, at: Span, title: &str, help: &str) {
        self.push(Diagnostic::error(Code::Case, title).at(at).help(help));
    }

    /// A value of a test is none of the type of its column.
    pub fn case_value(&mut self, at: Span, column: &str, found: &str, ty: &str, example: &str) {
        let title = format!("{} is no value of {}, which is {ty}", quote(found), quote(column));
        self.push(
            Diagnostic::error(Code::CaseValue, title)
                .at(at)
                .help(format!("write it as it is after reading, like `{example}`; `NULL` for no value")),
        );
    }
}
