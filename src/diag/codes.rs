//! The codes of all messages: unique, stable, grouped by what they concern.

macro_rules! codes {
    ($($variant:ident $id:literal $meaning:literal)*) => {
        /// What a message is about. A code never changes its meaning; a retired one is not reused.
        ///
        /// `T00xx` syntax, `T01xx` keys, values and parameters, `T02xx` sources and columns,
        /// `T03xx` tables and the plan, `T04xx` data contracts.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = concat!("`", $id, "`: ", $meaning)] $variant,)*
        }

        impl Code {
            /// Every code, ascending.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The code as shown, such as `T0102`.
            #[must_use]
            pub const fn id(self) -> &'static str {
                match self { $(Self::$variant => $id,)* }
            }

            /// What the code stands for, in one line.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }
        }
    };
}

codes! {
    EmptyFile "T0001" "the file holds no value"
    Syntax "T0002" "the text is not YAML"
    Tab "T0003" "a tab is used as indentation"
    DuplicateKey "T0004" "a key is given twice in one map"
    KeyNotText "T0005" "a key is empty, a list or a map"
    Tag "T0006" "a YAML tag is used"
    SecondDocument "T0007" "the file holds more than one YAML document"
    UnknownAnchor "T0008" "an alias names an anchor that is not defined before it"
    AliasLoop "T0009" "an alias stands inside the value that its anchor names"
    AliasExpansion "T0010" "aliases multiply the file beyond the limit"
    Nesting "T0011" "values are nested too deeply"
    MergeNotMap "T0012" "a merge key `<<` has something else than maps"

    UnknownMetric "T0101" "a table has a `type` that is no metric"
    UnknownKey "T0102" "a key is not known at this place"
    MissingKey "T0103" "a required key is missing"
    WrongKind "T0104" "a value is of another kind than expected"
    EmptyValue "T0105" "a key has no value"
    UnknownChoice "T0106" "a value is none of the allowed words"
    NotBoolean "T0107" "a value is neither `true` nor `false`"
    BadFormat "T0108" "a text is not written in the expected form"
    BadName "T0109" "a name is not snake_case"
    OutOfRange "T0110" "a number is too small or too large"
    WrongLength "T0111" "a list or a text is too short or too long"
    OneKeyOf "T0112" "a map must hold exactly one of several keys"
    RepeatedItem "T0113" "a list holds an entry twice"
    ExclusiveOptions "T0114" "two keys exclude each other"
    NoEffect "T0115" "a setting has no effect"
    ReservedName "T0116" "a name is reserved"
    InvalidRegex "T0117" "a regular expression is not valid"
    InvalidExpression "T0118" "an expression is not valid"
    UnknownParam "T0120" "a parameter is used that is not declared"
    ParamWithoutValue "T0121" "a parameter has neither a value nor a default"
    Templating "T0122" "`${..}` stands where only fixed text is allowed"
    UnusedParam "T0123" "a parameter is declared and never used"
    ParamValue "T0124" "the value of a parameter is not of its type"
    ParamSegment "T0125" "the value of a parameter is not one path segment"
    Internal "T0199" "a fault of tenure itself"

    UnknownColumn "T0201" "a source or table has no such column"
    ColumnType "T0202" "a column of an export has another type than declared"
    UnsupportedType "T0203" "a column of an export has a type that cannot be read"
    ConflictingTypes "T0204" "the files of a source disagree on the type of a column"
    NoFiles "T0205" "no file matches the path of a source"
    MoneyWithoutCurrency "T0206" "a money column says no currency"
    MoneyWithoutUnit "T0207" "a money column does not say whether it holds minor or major units"
    TimestampWithoutZone "T0208" "a timestamp column says no time zone"
    KeyNotDeclared "T0209" "a key names a column that is not declared"
    UnknownReference "T0210" "`references` names a source or column that does not exist"
    UnusedSource "T0211" "no table reads a source"
    DeclaredType "T0212" "a metric needs a column of another declared type"
    ColumnLacking "T0221" "a column is missing in some files of a source"
    NoPartition "T0222" "folder names do not spell the column that is read from them"
    PartitionValue "T0223" "a folder name spells a value of another type"
    PartitionCollision "T0224" "the files and the folder names both hold a column"
    UndeclaredColumns "T0225" "the files of a source hold columns that are not declared"

    UnknownInput "T0301" "a table reads from a name that is neither source nor table"
    Cycle "T0302" "tables read from each other in a circle"
    DuplicateOutput "T0303" "two tables publish to the same place"
    OutputOverlapsSource "T0304" "a table would be published inside an export"
    AsOfMissing "T0305" "no date says up to when the data counts"
    UnknownEnvironment "T0306" "the chosen environment is not defined"
    UnknownSelection "T0307" "a selection term matches nothing"
    UnknownGroupMember "T0308" "a publish group names a table that is not defined"
    TableInTwoGroups "T0309" "a table is in two publish groups"
    Setting "T0310" "a setting of a table cannot be used so"
    UnknownDimension "T0311" "a table is broken down by something its ledger does not carry"
    RootMissing "T0312" "nothing says where the tables go"
    SqlQuery "T0320" "the query of a `sql` table cannot be used"
    SqlResult "T0321" "a column of the result of a `sql` table cannot be published"
    UnboundParam "T0322" "a query uses a parameter that its table does not bind"
    IdleParam "T0323" "a table binds a parameter that its query does not use"
    Case "T0330" "a test cannot be run as it is written"
    CaseValue "T0331" "a value of a test is none of the type of its column"

    TableRejected "T0401" "rows of a result fail a check; it was not published"
    SourceRejected "T0402" "rows of an export break its contract"
    QuarantineExceeded "T0403" "more rows are quarantined than allowed"
    SourceStale "T0404" "an export is older than allowed"
    RowsQuarantined "T0405" "rows of an export were set aside"
    SourceLate "T0406" "an export is older than expected"
    SourceCheck "T0407" "an export as a whole is not as its contract expects"
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.id())
    }
}
