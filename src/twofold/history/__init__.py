"""The history: all events in one total order, the only truth. It knows neither of the two sides."""
