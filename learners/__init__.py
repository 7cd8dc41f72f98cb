"""Training algorithms behind one interface: backpropagation, Forward-Forward, Cascaded-Forward, Mono-Forward.

Uses the public interface of ``energyprof`` only, as anyone's loop would.
"""
