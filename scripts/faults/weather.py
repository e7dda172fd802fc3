"""A node's connections to PostgreSQL go wrong 25 times in a round, whatever they carry (F12 in the catalogue).

python scripts/faults/weather.py --rounds 200
"""

import rounds

if __name__ == "__main__":
    rounds.run("weather", "tests.faults.weather:some_weather", default=200, engines=["postgres"])
