"""Loaders for the real series, and the rules about who may read which rows.

Every loader returns a list of `Series`; values are float64 [channels, rows], NaN where missing. The
data lies in `RILL_DATA_DIR`, by default ../shared/data beside the repository; archives are read in
memory and nothing is written.
"""

import csv
import io
import lzma
import os
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

# Splits. The last 20 windows of 168 rows of ETT are the fev-bench test: never read here.
ETT_TEST_START = 14060
# Choices are made on the fifth before it, training with the rows before that.
ETT_VALIDATION_START = 11248
# The customary long-term forecasting split: 12 months, then 4 months, in hours.
LTSF_TRAIN_END, LTSF_VALIDATION_END = 8640, 11520
# Stations near each other share their weather, so the held-out ones are held out in time as well.
BEIJING_HELD_OUT = ("Huairou", "Wanliu")
BEIJING_TRAIN_END = 31536


@dataclass
class Series:
    name: str
    columns: list
    values: np.ndarray


def data_dir():
    default = Path(__file__).resolve().parents[3] / "shared" / "data"
    return Path(os.environ.get("RILL_DATA_DIR", default)) / "series"


def number(text):
    try:
        return float(text)
    except ValueError:
        return np.nan


def columns_of(rows, names):
    return np.array([[number(row[name]) for row in rows] for name in names])


def ett(end):
    """ETTh1 and ETTh2, rows [0, end); explicit, so that every caller states what it reads."""
    assert end <= ETT_TEST_START, "the test rows are read by the runtime alone, once"
    found = []
    for name in ("ETTh1", "ETTh2"):
        with open(data_dir() / "ETT" / f"{name}.csv", newline="") as file:
            rows = list(csv.DictReader(file))[:end]
        names = [key for key in rows[0] if key != "date"]
        found.append(Series(name, names, columns_of(rows, names)))
    return found


def uci():
    """UCI Air Quality, the four targets of fev-bench, -200 as NaN. Never for training."""
    names = ["CO(GT)", "C6H6(GT)", "NOx(GT)", "NO2(GT)"]
    path = data_dir() / "UCIAirQuality" / "AirQualityUCI.csv"
    with open(path, newline="", encoding="latin-1") as file:
        rows = [row for row in csv.DictReader(file, delimiter=";") if row["Time"]]
    values = np.array([[number(row[name].replace(",", ".")) for row in rows] for name in names])
    values[values == -200] = np.nan
    return [Series("uci_air_quality", names, values)]


def beijing():
    """Twelve stations, eleven channels, hourly."""
    names = "PM2.5 PM10 SO2 NO2 CO O3 TEMP PRES DEWP RAIN WSPM".split()
    found = []
    with tarfile.open(data_dir() / "BeijingAQ.tar.xz") as archive:
        for member in sorted(archive.getnames()):
            if member.endswith(".csv"):
                text = io.TextIOWrapper(archive.extractfile(member), "utf-8", newline="")
                rows = list(csv.DictReader(text))
                found.append(Series(rows[0]["station"], names, columns_of(rows, names)))
    return found


def nab():
    """The streams of the Numenta anomaly benchmark. Held out: never for training."""
    found = []
    with tarfile.open(data_dir() / "NAB.tar.xz") as archive:
        for member in sorted(archive.getnames()):
            if member.startswith("data/") and member.endswith(".csv"):
                text = io.TextIOWrapper(archive.extractfile(member), "utf-8", newline="")
                rows = list(csv.DictReader(text))
                found.append(Series(member[5:-4], ["value"], columns_of(rows, ["value"])))
    return found


def electrocardiogram():
    """Five minutes of one lead at 360 Hz, in millivolts."""
    with lzma.open(data_dir() / "ecg_360hz_mV.txt.xz", "rt") as file:
        values = np.array([float(line) for line in file])
    return [Series("ecg", ["mV"], values[None])]


def training_pool(ett_end, ett_gap=None):
    """Channels to train on, by source: {source: [float32 series]}, with all splits applied; without
    the ETT rows of `ett_gap`, (first, end), where given."""
    stations = [s for s in beijing() if s.name not in BEIJING_HELD_OUT]
    sources = {
        "ett": [(s, ett_end) for s in ett(ett_end)],
        "beijing": [(s, BEIJING_TRAIN_END) for s in stations],
        "ecg": [(s, None) for s in electrocardiogram()],
    }
    pool = {
        source: [channel[:end].astype(np.float32) for s, end in parts for channel in s.values]
        for source, parts in sources.items()
    }
    if ett_gap:
        first, end = ett_gap
        pool["ett"] = [part for x in pool["ett"] for part in (x[:first], x[end:])]
    return pool
