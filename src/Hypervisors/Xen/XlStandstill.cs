using System.Globalization;
using ChannelSdk.Host.Launch;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Hypervisors.Xen;

/// <summary>Keeps a domain still for a while. A shell in a session of its own lets it go on when it is told to, and also when this process has ended.</summary>
internal static class XlStandstill
{
    // An xl in the foreground takes a domain that is saved for one that has ended, and ends. It looks at what the domain is when it runs again,
    // and then the domain is suspended no more. Without SIGPIPE all is done to its end although nothing reads what is written.
    private const string Script = """
        trap '' PIPE
        umask 077
        monitor=$1 xl=$2 name=$3 file=$4
        if [ -n "$file" ]; then
          kill -STOP "$monitor"
          "$xl" save -p "$name" "$file" </dev/null >&2
          code=$?
          kill -CONT "$monitor"
        else
          "$xl" pause "$name" </dev/null >&2
          code=$?
        fi
        echo "$code"
        read -r end
        "$xl" unpause "$name" </dev/null >&2 || [ "$code" -ne 0 ] || code=$?
        exit "$code"
        """;

    /// <summary>Saves a domain, does something while it stands still, and lets it go on, in any case.</summary>
    /// <param name="program">Name or path of xl.</param>
    /// <param name="machine">The domain's machine.</param>
    /// <param name="file">Where its state is written; null: it is not.</param>
    /// <param name="whileStill">What is done.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.TransportFailed"/>: xl refuses, with its error output.</exception>
    public static async Task RunAsync(string program, RunningMachine machine, string? file, Func<Task> whileStill)
    {
        using var shell = XlCommand.Open("setsid", null, "/bin/sh", "-c", Script, "sh", machine.Process.Id.ToString(CultureInfo.InvariantCulture), program, machine.Instance, file ?? "");
        var errors = shell.StandardError.ReadToEndAsync(CancellationToken.None);
        try
        {
            // Not to be cancelled: a domain whose xl is ended while it saves stays suspended.
            if (await shell.StandardOutput.ReadLineAsync(CancellationToken.None).ConfigureAwait(false) == "0")
            {
                await whileStill().ConfigureAwait(false);
            }
        }
        finally
        {
            shell.StandardInput.Close();
            await shell.WaitForExitAsync(CancellationToken.None).ConfigureAwait(false);
        }

        if (shell.ExitCode != 0)
        {
            throw XlCommand.Failed(file is null ? "pause or unpause" : "save or unpause", shell.ExitCode, await errors.ConfigureAwait(false));
        }
    }
}
