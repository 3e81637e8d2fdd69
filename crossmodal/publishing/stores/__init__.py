"""Write to the kinds of stores that a collection is published to, each in a module of its own.

Owns how rows become a store's and how its failures read; refuses to know what has changed. Drivers
are imported only when an address asks for one.
"""
