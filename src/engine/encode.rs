//! Row groups of a table, encoded and compressed.
//!
//! Polars' writer looks for a dictionary in every column by hashing each value. What comes by numbers has its dictionary
//! already; and amounts stay integers here, which is what the writer makes of decimals after it looked at them as wider
//! numbers, and without a dictionary.

use polars::prelude::*;
use polars_arrow::array::{Array, DictionaryArray};
use polars_arrow::datatypes::{ArrowDataType, IntegerType};
use polars_parquet::parquet::CowBuffer;
use polars_parquet::parquet::compression::Compression;
use polars_parquet::parquet::page::CompressedDictPage;
use polars_parquet::write::{
    CompressedDataPage, CompressedPage, Page, ParquetType, Version, WriteOptions, array_to_columns, get_dtype_encoding,
};
use zstd::bulk::Compressor;

use crate::kernel::{Coded, Piece};

/// How pages are compressed.
pub(super) const COMPRESSION: ParquetCompression = ParquetCompression::Zstd(None);

/// How columns are written.
pub(super) fn options() -> WriteOptions {
    WriteOptions {
        statistics: StatisticsOptions::full(),
        version: Version::V1,
        compression: COMPRESSION.into(),
        data_page_size: None,
    }
}

/// The pages of every column.
pub(super) type RowGroup = Vec<Vec<CompressedPage>>;

/// Encodes rows; `columns` says what stands in the file.
pub(super) fn row_group(pieces: Vec<Piece>, columns: &[(DataType, ParquetType)]) -> PolarsResult<RowGroup> {
    let mut compressor = Compressor::new(zstd::DEFAULT_COMPRESSION_LEVEL)?;
    let columns = pieces.into_iter().zip(columns);
    columns.map(|(piece, (dtype, ty))| pages(piece, dtype, ty, &mut compressor)).collect()
}

fn pages(
    piece: Piece,
    dtype: &DataType,
    ty: &ParquetType,
    compressor: &mut Compressor<'_>,
) -> PolarsResult<Vec<CompressedPage>> {
    let array = array(piece, dtype)?;
    let encoding = get_dtype_encoding(array.dtype());
    let pages = array_to_columns(array, ty.clone(), options(), &encoding)?.into_iter().flatten();
    pages.map(|page| compressed(page?, compressor)).collect()
}

/// A page, compressed as [`COMPRESSION`] says; Polars' own way to it makes a compressor for every page, which takes as
/// long as some pages do.
fn compressed(page: Page, compressor: &mut Compressor<'_>) -> PolarsResult<CompressedPage> {
    let mut squeezed = |bytes: &[u8]| {
        let mut out = compressor.compress(bytes)?;
        // Pages wait until those before them are written.
        out.shrink_to_fit();
        Ok::<_, PolarsError>(CowBuffer::Owned(out))
    };
    Ok(match page {
        Page::Data(page) => {
            let (buffer, size) = (squeezed(page.buffer())?, page.buffer().len());
            let rows = page.num_rows.unwrap_or_default();
            let header = page.header().clone();
            CompressedPage::Data(CompressedDataPage::new(
                header,
                buffer,
                Compression::Zstd,
                size,
                page.descriptor,
                rows,
            ))
        }
        Page::Dict(page) => {
            let (buffer, size) = (squeezed(&page.buffer)?, page.buffer.len());
            let page = CompressedDictPage::new(buffer, Compression::Zstd, size, page.num_values, page.is_sorted);
            CompressedPage::Dict(page)
        }
    })
}

/// A column as the encoder takes it.
fn array(piece: Piece, dtype: &DataType) -> PolarsResult<Box<dyn Array>> {
    /// Digits of a decimal that is an INT64 in the file.
    const NARROW: usize = 18;
    let wide = match dtype {
        DataType::Decimal(digits, scale) if *digits > NARROW => Some((*digits, *scale)),
        _ => None,
    };
    let column = match piece {
        Piece::Coded(coded) if wide.is_none() && pays_off(&coded) => return dictionary(coded),
        piece => piece.column()?.take_materialized_series(),
    };
    let column = match wide {
        None => column,
        Some((digits, scale)) => {
            column.cast(&DataType::Int128)?.i128()?.clone().into_decimal(digits, scale)?.into_series()
        }
    };
    Ok(column.rechunk().to_arrow(0, CompatLevel::newest()))
}

/// Whether values are met often enough for a dictionary, by the measure of Polars' writer.
fn pays_off(Coded { values, codes }: &Coded) -> bool {
    4 * values.len() < 3 * codes.len()
}

fn dictionary(Coded { values, codes }: Coded) -> PolarsResult<Box<dyn Array>> {
    let values = values.take_materialized_series().rechunk().to_arrow(0, CompatLevel::newest());
    let keys = codes.rechunk().downcast_as_array().clone();
    let ty = ArrowDataType::Dictionary(IntegerType::UInt32, Box::new(values.dtype().clone()), false);
    Ok(Box::new(DictionaryArray::try_new(ty, keys, values)?))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn coded(values: Column, codes: &[Option<u32>]) -> Piece {
        Piece::Coded(Coded { values, codes: UInt32Chunked::from_slice_options("codes".into(), codes) })
    }

    /// A column as it is read back: written by value, and by number.
    fn written(values: &Column, dtype: &DataType, codes: &[Option<u32>]) -> (DataFrame, DataFrame) {
        let read = |piece: Piece| {
            let schema = Schema::from_iter([Field::new(values.name().clone(), dtype.clone())]);
            let mut file = Vec::new();
            let mut writer = ParquetWriter::new(&mut file).with_compression(COMPRESSION).batched(&schema).unwrap();
            let columns = [(dtype.clone(), writer.parquet_schema().fields()[0].clone())];
            writer.write_row_group(codes.len() as u64, &row_group(vec![piece], &columns).unwrap()).unwrap();
            writer.finish().unwrap();
            drop(writer);
            ParquetReader::new(Cursor::new(file)).finish().unwrap()
        };
        let by_number = coded(values.clone(), codes);
        let by_value = Piece::Values(coded(values.clone(), codes).column().unwrap());
        (read(by_value), read(by_number))
    }

    #[test]
    fn what_is_written_by_number_is_read_by_value() {
        let utc = DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC));
        let codes = [Some(1), Some(0), None, Some(1), Some(1), Some(1)];
        for (values, dtype) in [
            (Column::new("c".into(), ["b", "a text that is longer than a view"]), DataType::String),
            (Column::new("c".into(), [3i64, -4]), DataType::Int64),
            (Column::new("c".into(), [0.5, -4.0]), DataType::Float64),
            (Column::new("c".into(), [20_000, -1]).cast(&DataType::Date).unwrap(), DataType::Date),
            (Column::new("c".into(), [20_000i64, -1]).cast(&utc).unwrap(), utc),
        ] {
            let expected = coded(values.clone(), &codes).column().unwrap().into_frame();
            let (by_value, by_number) = written(&values, &dtype, &codes);
            assert!(by_value.equals_missing(&expected), "{by_value}");
            assert!(by_number.equals_missing(&expected), "{by_number}");
            assert_eq!(by_number.dtypes(), [dtype]);
        }
    }

    #[test]
    fn amounts_are_decimals_in_the_file() {
        let codes = [Some(1), Some(0), None, Some(1), Some(1), Some(1)];
        let units = Column::new("mrr".into(), [1_234_567i64, -10_000]);
        for digits in [18, 38] {
            let dtype = DataType::Decimal(digits, 6);
            let (by_value, by_number) = written(&units, &dtype, &codes);
            assert!(by_value.equals_missing(&by_number), "{by_value} {by_number}");
            assert_eq!(by_number.dtypes(), [dtype]);
            let texts = by_number.column("mrr").unwrap().cast(&DataType::String).unwrap();
            let texts: Vec<_> = texts.str().unwrap().iter().collect();
            let (often, once) = (Some("-0.010000"), Some("1.234567"));
            assert_eq!(texts, [often, once, None, often, often, often]);
        }
    }

    #[test]
    fn a_dictionary_has_to_pay_off() {
        let values = || Column::new("c".into(), [1i64, 2, 3]);
        let array = |codes: &[Option<u32>]| array(coded(values(), codes), &DataType::Int64).unwrap();
        let many = array(&[Some(0), Some(1), Some(2), Some(2), Some(2), Some(2)]);
        assert!(matches!(many.dtype(), ArrowDataType::Dictionary(..)));
        let few = array(&[Some(0), Some(1), Some(2), Some(2)]);
        assert!(matches!(few.dtype(), ArrowDataType::Int64));
    }
}
