"""Ways into PostgreSQL by INSERT, and dlt: into ``public.bare``; ORM and dlt make their own tables.

They are slow, so each is given fewer rows; without a key a row costs the same however many lie
there already.
"""

from __future__ import annotations

import logging
import os
from datetime import datetime
from pathlib import Path

import dlt
import psycopg2
import pyarrow as pa
from load_source import COLUMNS, batches, records, run
from psycopg2.extras import execute_values
from sqlalchemy import DateTime, Double, ForeignKey, create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

INSERT = f"INSERT INTO public.bare ({', '.join(COLUMNS)}) VALUES %s"  # noqa: S608


class Base(DeclarativeBase):
    """Tables as an application would model them."""

    type_annotation_map = {datetime: DateTime(timezone=True), float: Double()}  # noqa: RUF012


class Instrument(Base):
    """What candles refer to."""

    __tablename__ = "orm_instrument"
    instrument_id: Mapped[int] = mapped_column(primary_key=True)
    symbol: Mapped[str] = mapped_column(unique=True)


class Candle(Base):
    """One candle, keyed and referring."""

    __tablename__ = "orm_candle"
    instrument_id: Mapped[int] = mapped_column(
        ForeignKey("orm_instrument.instrument_id"), primary_key=True
    )
    open_time: Mapped[datetime] = mapped_column(primary_key=True)
    open: Mapped[float]
    high: Mapped[float]
    low: Mapped[float]
    close: Mapped[float]
    volume: Mapped[float]
    quote_volume: Mapped[float]
    taker_buy_volume: Mapped[float]
    taker_buy_quote_volume: Mapped[float]
    trade_count: Mapped[int]


def for_sqlalchemy(dsn: str) -> str:
    """Name the driver in the address."""
    return dsn.replace("postgresql:", "postgresql+psycopg:")


def by_orm(dsn: str, folder: Path, limit: int) -> None:
    """Look up the instrument, add the candle, commit: row by row, into a keyed table."""
    engine = create_engine(for_sqlalchemy(dsn))
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all(Instrument(instrument_id=at, symbol=f"C{at:02}") for at in range(1, 100))
        session.commit()
        for owner, *values in records(folder, limit):
            found = session.scalars(select(Instrument).where(Instrument.symbol == f"C{owner:02}"))
            known = dict(zip(COLUMNS[1:], values, strict=True))
            session.add(Candle(instrument_id=found.one().instrument_id, **known))
            session.commit()


def by_to_sql(dsn: str, folder: Path, limit: int) -> None:
    """Call pandas' ``to_sql`` with its defaults."""
    frame = pa.Table.from_batches(list(batches(folder, limit))).to_pandas()
    engine = create_engine(for_sqlalchemy(dsn))
    frame.to_sql("bare", engine, schema="public", if_exists="append", index=False)


def by_execute_values(dsn: str, folder: Path, limit: int) -> None:
    """Call psycopg2's ``execute_values`` with pages of 1,000."""
    with psycopg2.connect(dsn) as connection, connection.cursor() as cursor:
        execute_values(cursor, INSERT, records(folder, limit), page_size=1000)


def by_dlt(dsn: str, folder: Path, limit: int, form: str | None = None) -> None:
    """Run a dlt pipeline over the same Arrow batches, in its default form or another."""
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    logging.disable(logging.WARNING)
    pipeline = dlt.pipeline(
        f"candles_{form or 'default'}",
        pipelines_dir=str(folder / "dlt"),
        destination=dlt.destinations.postgres(dsn),
        dataset_name=f"dlt_{form or 'default'}",
    )
    candles = dlt.resource(batches(folder, limit), name="candles", write_disposition="append")
    pipeline.run(candles, loader_file_format=form).raise_on_failed_jobs()


WAYS = {
    "orm": by_orm,
    "to_sql": by_to_sql,
    "execute_values": by_execute_values,
    "dlt": by_dlt,
    "dlt_csv": lambda dsn, folder, limit: by_dlt(dsn, folder, limit, "csv"),
    "dlt_parquet": lambda dsn, folder, limit: by_dlt(dsn, folder, limit, "parquet"),
}

if __name__ == "__main__":
    run(WAYS)
