"""The load bench: subjects (servers), scenarios (what they are put through), one trusted driver.

How the pieces stand to one another:

- `subjects`: how each server is started, what a subscription and a publish look like on its wire.
- `server`: one running subject, on a core of its own, and what it costs (CPU, memory).
- `crowd` and `subscribers`: thousands of streams in processes of their own, every delivery counted.
- `publisher`: one keep-alive connection that publishes numbered, time-stamped events.
- `scenarios`: connect, idle, fan-out, latency, replay; slow and stalled readers, aborts, the end of
  a server. A new one is one decorated function.
- `results`: what was measured, as JSON lines and as a table.
"""
