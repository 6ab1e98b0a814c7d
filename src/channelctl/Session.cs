using System.CommandLine;
using ChannelSdk.HostEndpoint;
using ChannelSdk.HostEndpoint.Policy;
using ChannelSdk.Protocol;

namespace ChannelSdk.Tool;

/// <summary>The argument and option that every command has, and one attached instance for the time of a command.</summary>
internal sealed class Session
{
    private readonly Argument<string> _uri = new("URI") { Description = "Endpoint of the instance's channel, for instance virtio-serial:///run/vm1.sock, or qga:///run/vm1.qga for a guest with qemu-ga alone" };
    private readonly Option<string?> _qga = new("--qga") { Description = "Path of the QEMU guest agent's socket, to use that agent where the guest has no other" };
    private readonly Option<string> _policy = new("--policy") { Description = "JSON file: what may be asked of guests (host_may) and by them (guest_may); see docs/SECURITY.md" };
    private readonly Option<string> _audit = new("--audit") { Description = "File that gets a line for each refused and each privileged call" };
    private readonly Option<double> _timeout = new("--timeout") { Description = "Seconds to wait for the agent", DefaultValueFactory = _ => 10 };

    public Session(Command command)
    {
        command.Add(_uri);
        command.Add(_timeout);
        command.Add(_policy);
        command.Add(_audit);
        command.Add(_qga);
    }

    /// <summary>Attaches, waits for the agent, runs the action; turns every error into one line and an exit code.</summary>
    public async Task<int> RunAsync(ParseResult parsed, Func<Instance, CancellationToken, Task> action, CancellationToken cancellationToken, bool waitReady = true)
    {
        var uri = parsed.GetValue(_uri)!;
        try
        {
            await using var host = new HostEndpoint.HostEndpoint();
            var instance = host.Attach("instance", uri, Options(parsed, uri));
            if (waitReady)
            {
                await WaitReadyAsync(instance, TimeSpan.FromSeconds(parsed.GetValue(_timeout)), cancellationToken);
            }

            await action(instance, cancellationToken);
            return ExitCode.Ok;
        }
        catch (ChannelException e)
        {
            Console.Error.WriteLine($"channelctl: {uri}: {GuestText.Escape(e.Message)} ({e.Code}, {e.Class})");
            return ExitCode.Of(e);
        }
        catch (OperationCanceledException)
        {
            return ExitCode.Stopped;
        }
    }

    private InstanceOptions Options(ParseResult parsed, string uri)
    {
        var audit = parsed.GetValue(_audit);
        return new InstanceOptions
        {
            QgaSocket = parsed.GetValue(_qga),
            Policy = parsed.GetValue(_policy) is { } file ? HostPolicy.Load(file) : HostPolicy.Open,
            // The command knows its instance by nothing but the endpoint.
            Audit = audit is null ? null : record => File.AppendAllText(audit, $"{record with { Instance = uri }}\n"),
        };
    }

    private static async Task WaitReadyAsync(Instance instance, TimeSpan timeout, CancellationToken cancellationToken)
    {
        try
        {
            await instance.WaitReadyAsync(cancellationToken).AsTask().WaitAsync(timeout, cancellationToken);
        }
        catch (TimeoutException)
        {
            throw instance.Channel.Status.LastError ?? new ChannelException(ChannelError.EndpointMissing, ErrorClass.Retry,
                $"no agent answered within {timeout.TotalSeconds:0.#} s; the transport is there, so the guest may still boot, or its agent may not run");
        }
    }
}
