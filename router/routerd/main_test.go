package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/router/launch"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"routerd": main, "enclaved": fakeEnclaved, "manager": manager})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script"})
}

// manager listens as a service manager does and prints the states that it is told.
func manager() {
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: os.Args[1], Net: "unixgram"})
	if err != nil {
		os.Exit(1)
	}
	buf := make([]byte, 4096)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		fmt.Println(string(buf[:n]))
	}
}

// TestExample: the example names every setting there is, at its default.
func TestExample(t *testing.T) {
	example, err := launch.Parse([]string{"--config", "routerd.example.toml"}, io.Discard)
	require.NoError(t, err)
	bare, err := launch.Parse([]string{
		"--domain", example.Domain, "--platform", example.Platform, "--router", example.Router, "--reset-key", example.ResetKey,
	}, io.Discard)
	require.NoError(t, err)
	var got, want strings.Builder
	require.NoError(t, example.Write(&got))
	require.NoError(t, bare.Write(&want))
	require.Equal(t, want.String(), got.String())
	text, err := os.ReadFile("routerd.example.toml")
	require.NoError(t, err)
	for line := range strings.Lines(want.String()) {
		if name, _, found := strings.Cut(line, " = "); found {
			require.Contains(t, string(text), "\n"+strings.Replace(name, "dev", "# dev", 1)+" = ", "every setting is there")
		}
	}
}

// fakeEnclaved speaks just enough of the link to let routerd start and stop. The real one is run by the tests of bench, which may
// import everything.
func fakeEnclaved() {
	if len(os.Args) == 3 && os.Args[1] == "dev-init" {
		if os.MkdirAll(os.Args[2], 0o700) != nil {
			os.Exit(6)
		}
		return
	}
	mode := os.Getenv("FAKE_ENCLAVED")
	if len(os.Args) < 4 || os.Args[1] != "run" || os.Args[2] != "--socket" || mode == "dies at start" {
		os.Exit(5)
	}
	conn, err := net.Dial("unix", os.Args[3])
	if err != nil {
		os.Exit(4)
	}
	_, _ = conn.Write(abi.AppendReady(nil, [16]byte{}, [abi.MeasurementLen]byte{}, true))
	buf := make([]byte, 0, 4096)
	chunk := make([]byte, 4096)
	switch mode { // once the router has spoken, so that it has heard that this is ready
	case "dies later":
		_, _ = conn.Read(chunk)
		os.Exit(1)
	case "finds no sandbox later":
		_, _ = conn.Read(chunk)
		os.Exit(5)
	}
	for {
		n, err := conn.Read(chunk)
		if err != nil {
			os.Exit(0)
		}
		buf = append(buf, chunk[:n]...)
		for {
			f, rest, err := abi.Next(buf)
			if err != nil {
				break
			}
			buf = rest
			if f.Type == abi.Shutdown {
				_, _ = conn.Write(abi.AppendBye(nil))
				os.Exit(0)
			}
		}
	}
}
