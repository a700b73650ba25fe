// Command tsa is Sigstore's timestamp authority with a certificate chain made at its start.
//
// The authority's own command also serves its metrics on port 2112 of every address and ends where
// that is taken. This one opens the address that it is given, and nothing else.
package main

import (
	"flag"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/sigstore/timestamp-authority/v2/pkg/log"
	"github.com/sigstore/timestamp-authority/v2/pkg/server"
	"github.com/spf13/viper"
)

// version is set by the build.
var version = "unknown"

const (
	// policy is the object identifier that Sigstore's timestamps carry.
	policy = "1.3.6.1.4.1.57264.2"
	// requestTimeout bounds the reading of a request and the writing of its answer.
	requestTimeout = 30 * time.Second
)

func main() {
	address := flag.String("address", "", "host and port to listen on")
	showVersion := flag.Bool("version", false, "print the version and stop")
	flag.Parse()
	if *showVersion {
		fmt.Println("tsa", version)
		return
	}
	if err := serve(*address); err != nil {
		fmt.Fprintln(os.Stderr, "tsa:", err)
		os.Exit(1)
	}
}

// serve answers until the process is stopped; it returns only on a fault.
func serve(address string) error {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return err
	}
	log.ConfigureLogger("prod")
	viper.Set("timestamp-signer", "memory")
	viper.Set("timestamp-signer-hash", "sha256")
	viper.Set("default-policy-oid", policy)
	viper.Set("accepted-policy-oids", []string{policy})
	viper.Set("max-request-body-size", 1<<20)
	authority := server.NewRestAPIServer(
		host, port, []string{"http"}, false, requestTimeout, requestTimeout)
	return authority.Serve()
}
