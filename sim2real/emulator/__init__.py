"""An emulated Dynamixel bus: bytes on a pseudo-terminal, registers behind them, physics below."""
