//! No text makes the reader panic, however broken.

use super::decode::{self, sample::Sample};
use super::{params, tree};
use crate::diag::{Color, Diagnostics};

const VALID: &str = "\u{feff}version: 1\npipeline: cs\ntimezone: Asia/Tokyo\nstrict: true
params:
  exports: {type: path, default: ../data}
  window: {type: duration, default: 90d}
limits: {memory: 80%, lock_wait: '${window}', threads: 4}
sources:
  x-base: &base {key: [id], on_violation: {quarantine: {max_share: 0.1%}}}
  x-客様: {<<: *base, path: '${exports}/a/*.parquet', matches: \"^\\u00e9$\"}
  b:
    path: ${exports}/b\t# note
    key:
    - id
    - at
tables:
  n: {type: nps, score: answer, grain: day}
  l: {type: ltv, gross_margin: 80%, due: 2027-03-31}
given: {a: [{id: 1, at: ~}]}
x-sql: |
  SELECT *
    FROM x
";

/// xorshift64*, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33).unwrap() % bound.max(1)
    }

    fn mutated(&mut self, text: &str) -> String {
        const PIECES: [&str; 24] = [
            "\t", "\n", "\r\n", ": ", "- ", "{", "}", "[", "]", "&a ", "*a", "<<: *a", "!!str ", "'", "\"", "|\n", "#",
            "${", "}", "\u{feff}", "\u{0}", "日", "---\n", "? ",
        ];
        let mut chars: Vec<char> = text.chars().collect();
        for _ in 0..=self.below(4) {
            let at = self.below(chars.len() + 1);
            match self.below(4) {
                0 => drop(chars.splice(at..at, PIECES[self.below(PIECES.len())].chars())),
                1 => {
                    let end = (at + self.below(20)).min(chars.len());
                    chars.drain(at..end);
                }
                2 => {
                    let end = (at + self.below(40)).min(chars.len());
                    let copied: Vec<char> = chars[at..end].to_vec();
                    let to = self.below(chars.len() + 1);
                    chars.splice(to..to, copied);
                }
                _ => chars.truncate(chars.len() - self.below(5).min(chars.len())),
            }
        }
        chars.into_iter().collect()
    }
}

/// Reads the text to the end and renders what is told; gives the number of messages.
fn read(text: &str) -> usize {
    let mut diags = Diagnostics::new("p.yml", text);
    if let Some(mut file) = tree::parse(text, &mut diags) {
        if let Some(specs) = params::declared(&file, &mut diags) {
            let values = params::values(&file, &specs, &[], &mut diags);
            params::substitute(&mut file, &values, &mut diags);
        }
        let value = decode::decode::<Sample>(&file, &mut diags);
        assert!(value.is_some() || diags.has_errors(), "refused without a word: {text:?}");
        assert!(!diags.sorted().iter().any(|d| d.code.id() == "T0199"), "{}", diags.render(Color::Never, None));
    } else {
        assert!(diags.has_errors(), "refused without a word: {text:?}");
    }
    assert_eq!(diags.to_json().len(), diags.sorted().len());
    assert!(diags.render(Color::Always, Some(80)).is_empty() == diags.is_empty());
    diags.sorted().len()
}

#[test]
fn mutations_of_a_valid_file_are_read_or_refused() {
    assert_eq!(read(VALID), 0);
    let mut random = Random(20_260_630);
    let mut told = 0;
    for _ in 0..3_000 {
        told += usize::from(read(&random.mutated(VALID)) > 0);
    }
    assert!(told > 1_000, "the mutations hit nothing: {told}");
}

#[test]
fn noise_is_read_or_refused() {
    const MARKS: &[u8] = b"-:?{}[],&*#!|>'\"%@` \n\tab";
    let mut random = Random(7);
    for _ in 0..1_500 {
        let length = random.below(60);
        let bytes: Vec<u8> = (0..length).map(|_| u8::try_from(random.below(256)).unwrap()).collect();
        read(&String::from_utf8_lossy(&bytes));
        let length = random.below(40);
        let marks: String = (0..length).map(|_| char::from(MARKS[random.below(MARKS.len())])).collect();
        read(&marks);
    }
}
