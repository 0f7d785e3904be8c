package launch

import (
	"net"
	"os"
	"strings"
)

// notifier tells the service manager how routerd is, as sd_notify(3) describes: datagrams of NAME=VALUE lines to a socket whose address is
// in an environment variable. The zero value tells nobody.
type notifier struct{ addr string }

func notifierFromEnv() notifier { return notifier{os.Getenv("NOTIFY_SOCKET")} }

// say sends one state. A manager that does not listen is no reason to stop.
func (n notifier) say(state string) {
	if n.addr == "" {
		return
	}
	name := n.addr
	if strings.HasPrefix(name, "@") { // in the abstract namespace
		name = "\x00" + name[1:]
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	_, _ = conn.Write([]byte(state))
}
