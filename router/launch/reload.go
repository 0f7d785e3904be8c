package launch

import (
	"errors"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
)

// newLogger writes what an operator has to know; nothing in it is about a client.
func newLogger(c *Config, w io.Writer, level *slog.LevelVar) *slog.Logger {
	level.Set(levelOf(c.LogLevel))
	options := &slog.HandlerOptions{Level: level}
	if c.LogFormat == logJSON {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

func levelOf(name string) slog.Level {
	return map[string]slog.Level{logInfo: slog.LevelInfo, logWarn: slog.LevelWarn, logError: slog.LevelError}[name]
}

// reload takes a new configuration as far as a running routerd can: its limits and log level. What else has changed is named and waits for
// the next start; a configuration with faults changes nothing.
func (d *daemon) reload(read func() (Config, error)) {
	d.notify.say("RELOADING=1\nMONOTONIC_USEC=" + monotonic())
	defer d.notify.say("READY=1")
	next, err := read()
	var usage *UsageError
	if errors.As(err, &usage) {
		for _, f := range usage.Faults {
			d.log.Error("reload: nothing was changed", "fault", f)
		}
		return
	}
	if err != nil {
		d.log.Error("reload: nothing was changed", "fault", err)
		return
	}
	limits, _ := next.limits()
	waiting, err := d.router.SetLimits(limits)
	if err != nil {
		d.log.Error("reload: nothing was changed", "fault", err)
		return
	}
	d.level.Set(levelOf(next.LogLevel))
	waiting = append(waiting, d.cfg.fixed(&next)...)
	d.cfg.Limits, d.cfg.LogLevel, d.cfg.SlowConsumer, d.cfg.DrainTimeout = next.Limits, next.LogLevel, next.SlowConsumer, next.DrainTimeout
	if len(waiting) > 0 {
		d.log.Warn("reload: some settings need a restart of routerd", "settings", strings.Join(waiting, ", "))
	}
	d.log.Info("reloaded")
}

// fixed are the settings in which next differs and that a running routerd cannot change.
func (c *Config) fixed(next *Config) []string {
	values := func(c *Config) map[string]any {
		return map[string]any{
			"dev": c.Dev, "domain": c.Domain, "platform": c.Platform, "router": c.Router, "listen": c.Listen, "listen_tcp": c.ListenTCP,
			"metrics": c.Metrics, "enclaved": c.Enclaved, "reset_key": c.ResetKey, "epc_budget": c.EPCBudget, "sandbox": c.Sandbox,
			"epc_sim": c.EPCSim, "epc_policy": c.EPCPolicy, "epc_overflow": c.EPCOverflow,
			"revocation": c.Revocation, "endorsement": c.Endorsement, "collateral": c.Collateral, "key_epoch": c.KeyEpoch,
			"log_format": c.LogFormat,
		}
	}
	old, now := values(c), values(next)
	var changed []string
	for _, name := range slices.Sorted(maps.Keys(old)) {
		if old[name] != now[name] {
			changed = append(changed, name)
		}
	}
	return changed
}
