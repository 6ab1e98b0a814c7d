using System.ComponentModel;
using System.Diagnostics;
using ChannelSdk.Linux.Files;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Hypervisors.Xen;

/// <summary>Runs xl, Xen's tool, without a shell in between.</summary>
internal static class XlCommand
{
    public const string DefaultProgram = "xl";

    private const int MaxErrorOutput = 2048;
    private static readonly string[] s_inherited = ["PATH", "TMPDIR", "HOME"];
    private static readonly TimeSpan s_destroyTime = TimeSpan.FromSeconds(20);

    /// <summary>Starts it with both outputs to be read, and nothing to read itself.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: it is not there.</exception>
    public static Process Start(string program, IReadOnlyDictionary<string, string>? environment, params ReadOnlySpan<string> arguments)
    {
        var process = Open(program, environment, arguments);
        process.StandardInput.Close();
        return process;
    }

    /// <summary>As <see cref="Start"/>, and its input can be written to.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: it is not there.</exception>
    public static Process Open(string program, IReadOnlyDictionary<string, string>? environment, params ReadOnlySpan<string> arguments)
    {
        var start = new ProcessStartInfo(program) { RedirectStandardError = true, RedirectStandardOutput = true, RedirectStandardInput = true };
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        // Nothing else of the environment of a host manager is its business, or that of the programs which it starts.
        foreach (var name in start.Environment.Keys.Except(s_inherited).ToArray())
        {
            start.Environment.Remove(name);
        }

        foreach (var (name, value) in environment ?? new Dictionary<string, string>())
        {
            start.Environment[name] = value;
        }

        try
        {
            return Process.Start(start)!;
        }
        catch (Win32Exception e)
        {
            throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused,
                $"{program} cannot be started: {FileFault.Describe(e)}; is this dom0, with Xen's tools installed?", e);
        }
    }

    /// <summary>Runs it to its end; what it wrote to standard output.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.TransportFailed"/>: it failed, with its error output. <see cref="ChannelError.BadConfiguration"/>: it is not there.</exception>
    public static async Task<string> RunAsync(string program, CancellationToken cancellationToken, params string[] arguments)
    {
        using var process = Start(program, null, arguments);
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(cancellationToken);
            var error = process.StandardError.ReadToEndAsync(cancellationToken);
            await process.WaitForExitAsync(cancellationToken).ConfigureAwait(false);
            return process.ExitCode == 0 ? await output.ConfigureAwait(false)
                : throw Failed(arguments[0], process.ExitCode, await error.ConfigureAwait(false));
        }
        catch (OperationCanceledException)
        {
            process.Kill();
            throw;
        }
    }

    /// <summary>Ends a domain by force, wherever it comes from.</summary>
    /// <returns>Whether there is none of that name any more.</returns>
    public static async Task<bool> TryDestroyAsync(string program, string name)
    {
        using var limit = new CancellationTokenSource(s_destroyTime);
        try
        {
            await RunAsync(program, limit.Token, "destroy", name).ConfigureAwait(false);
            return true;
        }
        catch (Exception e) when (e is ChannelException { Code: ChannelError.TransportFailed } or OperationCanceledException)
        {
            return !limit.IsCancellationRequested && !await ExistsAsync(program, name, limit.Token).ConfigureAwait(false);
        }
    }

    /// <summary>The error of an xl that failed.</summary>
    public static ChannelException Failed(string command, int code, string error) => new(ChannelError.TransportFailed, ErrorClass.Refused,
        $"xl {command} failed with code {code}: {SafeText.Escape(error.Trim(), MaxErrorOutput)}");

    private static async Task<bool> ExistsAsync(string program, string name, CancellationToken cancellationToken)
    {
        try
        {
            await RunAsync(program, cancellationToken, "domid", name).ConfigureAwait(false);
            return true;
        }
        catch (Exception e) when (e is ChannelException or OperationCanceledException)
        {
            // An xl that hangs is no proof.
            return e is OperationCanceledException;
        }
    }
}
