// Command keyring answers what the kubelet's own keyring finds in pull secrets.
//
// It reads one question a line from its input, and writes one answer a line to its output, both as
// JSON. The tests hold Landwaiter's answers to it.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"

	v1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/credentialprovider"
	"k8s.io/kubernetes/pkg/credentialprovider/secrets"
)

// version is set by the build.
var version = "unknown"

// question is about one image, for which these Secrets are named in this order.
type question struct {
	Secrets []v1.Secret `json:"secrets"`
	Image   string      `json:"image"`
}

// answer has the user names and passwords in the order in which they are tried. Broken says that
// there is no keyring, so that no image is pulled.
type answer struct {
	Logins [][2]string `json:"logins"`
	Broken bool        `json:"broken"`
}

func main() {
	showVersion := flag.Bool("version", false, "print the version and stop")
	flag.Parse()
	if *showVersion {
		fmt.Println("keyring", version)
		return
	}
	if err := converse(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "keyring:", err)
		os.Exit(1)
	}
}

// converse answers until the input ends.
func converse(input io.Reader, output io.Writer) error {
	questions, answers := json.NewDecoder(input), json.NewEncoder(output)
	for {
		var asked question
		if err := questions.Decode(&asked); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if err := answers.Encode(found(asked)); err != nil {
			return err
		}
	}
}

// found is what the kubelet finds.
func found(asked question) answer {
	none := &credentialprovider.BasicDockerKeyring{}
	keyring, err := secrets.MakeDockerKeyring(asked.Secrets, none)
	if err != nil {
		return answer{Logins: [][2]string{}, Broken: true}
	}
	tried, _ := keyring.Lookup(asked.Image)
	logins := make([][2]string, 0, len(tried))
	for _, each := range tried {
		logins = append(logins, [2]string{each.Username, each.Password})
	}
	return answer{Logins: logins}
}
