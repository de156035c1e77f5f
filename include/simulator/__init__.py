"""The bundled exchange: Binance's public spot and USD-M feeds, from a seed or recorded files.

``python -m include.simulator --help`` starts it. Two engines stand behind one protocol:
``synthetic`` draws a market that is known to the last trade, ``replay`` serves recorded files.
"""
