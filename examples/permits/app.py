"""The application: what the office decides and what it can tell. They share the events and nothing else."""

from examples.permits.office import office
from examples.permits.reports import reports
from twofold import App

app = App("permits")
app.include(office)
app.include(reports)
