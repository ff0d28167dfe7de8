//! How deep a SQL text can nest.
//!
//! `a AND b AND c` is a tree as deep as it has operators, and whatever reads such a tree calls
//! itself once per level: the parser, the planner, the engine. Some thousand levels use up a
//! thread's stack, which ends the process on the spot. So the operators are counted before
//! anything reads the text.

use sqlparser::dialect::GenericDialect;
use sqlparser::tokenizer::{Token, Tokenizer};

/// Most operators of one SQL text. A level takes less than 2 KiB of the 2 MiB that a thread has.
pub const MOST_OPERATORS: usize = 400;

/// Words that join or wrap expressions.
const WORDS: [&str; 18] = [
    "AND", "OR", "XOR", "NOT", "IS", "IN", "LIKE", "ILIKE", "RLIKE", "REGEXP", "SIMILAR", "BETWEEN", "DIV", "CASE",
    "WHEN", "COLLATE", "UNION", "JOIN",
];

/// The number of operators, no fewer than the tree of the text is deep; signs of numbers in lists are none.
///
/// 0 for a text that has no tokens, which no parser reads either.
pub fn operators(sql: &str) -> usize {
    let Ok(tokens) = Tokenizer::new(&GenericDialect, sql).tokenize() else { return 0 };
    let tokens: Vec<Token> = tokens.into_iter().filter(|t| !matches!(t, Token::Whitespace(_))).collect();
    let counts = |(at, token): (usize, &Token)| match token {
        Token::Word(word) => word.quote_style.is_none() && WORDS.iter().any(|w| w.eq_ignore_ascii_case(&word.value)),
        Token::Plus | Token::Minus => {
            let begins =
                matches!(at.checked_sub(1).map(|before| &tokens[before]), None | Some(Token::Comma | Token::LParen));
            !(begins && matches!(tokens.get(at + 1), Some(Token::Number(..))))
        }
        Token::Number(..)
        | Token::Char(_)
        | Token::SingleQuotedString(_)
        | Token::DoubleQuotedString(_)
        | Token::Comma
        | Token::Period
        | Token::LParen
        | Token::RParen
        | Token::LBracket
        | Token::RBracket
        | Token::SemiColon
        | Token::EOF => false,
        _ => true,
    };
    tokens.iter().enumerate().filter(|token| counts(*token)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_are_counted_and_lists_are_free() {
        for (sql, count) in [
            ("", 0),
            ("live", 0),
            ("a + b - -1 > 0 AND NOT live", 6),
            ("status IN ('a', 'b', 'and or not')", 1),
            ("quantity in (-1, -2, -3)", 1),
            ("ended_on IS NULL OR ended_on >= started_on", 3),
            ("a::int <> 1 or(b)", 3),
            ("\"and\" = 'x''or''y'", 1),
            ("a -- it's AND\n AND b /* ' OR */", 1),
            ("'not closed AND", 0),
        ] {
            assert_eq!(operators(sql), count, "{sql}");
        }
        assert_eq!(operators(&"NOT ".repeat(7)), 7);
        assert_eq!(operators(&"- ".repeat(7)), 7);
        assert_eq!(operators(&"1 - ".repeat(7)), 7);
    }
}
