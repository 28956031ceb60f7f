//! Where documents go: a file, standard output, a topic.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use flate2::write::GzEncoder;
use pipewarden_kafka::DocumentProducer;

use crate::cli::Compression;
use crate::config::Kafka;
use crate::telemetry::wall_clock;
use crate::time::EventTime;

/// Takes documents.
pub(super) trait Sink {
    /// Takes a document that is published at `due`.
    fn write(&mut self, due: EventTime, document: &[u8]) -> anyhow::Result<()>;
    /// Nothing follows.
    fn finish(&mut self) -> anyhow::Result<()>;
    /// For people.
    fn name(&self) -> String;
}

/// One document a line.
pub(super) struct FileSink {
    out: Option<Out>,
    name: String,
}

enum Out {
    Plain(BufWriter<Box<dyn Write>>),
    Gzip(BufWriter<GzEncoder<Box<dyn Write>>>),
    Zstd(BufWriter<zstd::Encoder<'static, Box<dyn Write>>>),
}

impl FileSink {
    pub(super) fn create(path: &Path, compression: Compression) -> anyhow::Result<Self> {
        let is_stdout = path.as_os_str() == "-";
        let file: Box<dyn Write> = if is_stdout {
            Box::new(io::stdout().lock())
        } else {
            Box::new(File::create(path).with_context(|| format!("cannot write {}", path.display()))?)
        };
        let out = match compression {
            Compression::None => Out::Plain(BufWriter::with_capacity(1 << 18, file)),
            Compression::Gzip => {
                let encoder = GzEncoder::new(file, flate2::Compression::new(4));
                Out::Gzip(BufWriter::with_capacity(1 << 16, encoder))
            }
            Compression::Zstd => Out::Zstd(BufWriter::with_capacity(1 << 16, zstd::Encoder::new(file, 3)?)),
            Compression::Lz4 => {
                bail!("--compression lz4 is for --to-kafka; a file can be none, gzip or zstd")
            }
        };
        let name = if is_stdout {
            "standard output".to_owned()
        } else {
            path.display().to_string()
        };
        Ok(Self { out: Some(out), name })
    }
}

impl Sink for FileSink {
    fn write(&mut self, _: EventTime, document: &[u8]) -> anyhow::Result<()> {
        let out: &mut dyn Write = match &mut self.out {
            Some(Out::Plain(out)) => out,
            Some(Out::Gzip(out)) => out,
            Some(Out::Zstd(out)) => out,
            None => return Ok(()),
        };
        out.write_all(document)?;
        out.write_all(b"\n")?;
        Ok(())
    }

    fn finish(&mut self) -> anyhow::Result<()> {
        let mut inner = match self.out.take() {
            Some(Out::Plain(out)) => out.into_inner().map_err(io::IntoInnerError::into_error)?,
            Some(Out::Gzip(out)) => out
                .into_inner()
                .map_err(io::IntoInnerError::into_error)?
                .finish()?,
            Some(Out::Zstd(out)) => out
                .into_inner()
                .map_err(io::IntoInnerError::into_error)?
                .finish()?,
            None => return Ok(()),
        };
        Ok(inner.flush()?)
    }

    fn name(&self) -> String {
        self.name.clone()
    }
}

/// One document a record, each at its time where there is a pace to keep.
pub(super) struct KafkaSink {
    producer: DocumentProducer,
    /// The time at which the first document is due, if there is a pace.
    start: Option<EventTime>,
}

impl KafkaSink {
    pub(super) fn new(
        kafka: &Kafka,
        compression: Compression,
        start: Option<EventTime>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            producer: DocumentProducer::new(kafka, compression.as_str())?,
            start,
        })
    }
}

impl Sink for KafkaSink {
    fn write(&mut self, due: EventTime, document: &[u8]) -> anyhow::Result<()> {
        if self.start.is_some() {
            loop {
                let ahead = -due.lateness_at(wall_clock());
                if ahead <= 0 {
                    break;
                }
                self.producer
                    .wait(Duration::from_micros(ahead.unsigned_abs()).min(Duration::from_millis(50)));
            }
        }
        Ok(self.producer.send(document)?)
    }

    fn finish(&mut self) -> anyhow::Result<()> {
        Ok(self.producer.finish()?)
    }

    fn name(&self) -> String {
        format!("topic {}", self.producer.topic())
    }
}
