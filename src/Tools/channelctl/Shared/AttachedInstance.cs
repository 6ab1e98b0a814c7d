using System.CommandLine;
using ChannelSdk.Channels;
using ChannelSdk.Host;
using ChannelSdk.Host.Policy;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Cli.Shared;

/// <summary>The argument and option that every command has, and one attached instance for the time of a command.</summary>
internal sealed class AttachedInstance
{
    private readonly Argument<string> _uri = new("URI") { Description = "Endpoint of the instance's channel, for instance virtio-serial:///run/vm1.sock, or qga:///run/vm1.qga for a guest with qemu-ga alone" };
    private readonly Option<string> _qga = ToolOptions.Path("--qga", "Path of the QEMU guest agent's socket, to use that agent where the guest has no other");
    private readonly Option<string> _policy = ToolOptions.Path("--policy", "TOML file: what may be asked of guests ([services] allow) and by them ([guest] allow); see docs/SECURITY.md");
    private readonly Option<string> _audit = ToolOptions.Path("--audit", "File that gets a line for each refused and each privileged call");
    private readonly Option<double> _timeout = ToolOptions.Seconds("--timeout", "Seconds to wait for the agent, and for each of its answers; where it is given, also for a transfer, copy or trim that stands still", 10, 0.01, 86_400);

    public AttachedInstance(Command command)
    {
        command.Add(_uri);
        command.Add(_timeout);
        command.Add(_policy);
        command.Add(_audit);
        command.Add(_qga);
    }

    /// <summary>The timeout where the command line has one; null: the default sets no limit on long work.</summary>
    public TimeSpan? GivenTimeout(ParseResult parsed) => parsed.GetResult(_timeout) is { Implicit: false } ? TimeSpan.FromSeconds(parsed.GetValue(_timeout)) : null;

    /// <summary>Deadline of a call of the command.</summary>
    public TimeSpan CallTimeout(ParseResult parsed) => GivenTimeout(parsed) ?? new InstanceOptions().CallTimeout;

    /// <summary>Attaches, waits for the agent, runs the action; turns every error into one line and an exit code.</summary>
    public Task<int> RunAsync(ParseResult parsed, Func<Instance, CancellationToken, Task> action, CancellationToken cancellationToken, bool waitReady = true, TimeSpan? linkLoss = null) =>
        RunAsync(parsed, async (instance, cancel) =>
        {
            await action(instance, cancel);
            return ExitCode.Ok;
        }, cancellationToken, waitReady, linkLoss);

    /// <summary>As the other one, for an action with an exit code of its own.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="action">What is done.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <param name="waitReady">Whether the agent is waited for first.</param>
    /// <param name="linkLoss">How long the session waits for a link that was lost; null: as long as a session does.</param>
    public async Task<int> RunAsync(ParseResult parsed, Func<Instance, CancellationToken, Task<int>> action, CancellationToken cancellationToken, bool waitReady = true, TimeSpan? linkLoss = null)
    {
        var uri = parsed.GetValue(_uri)!;
        try
        {
            using var audit = parsed.GetValue(_audit) is { } file ? new AuditFile(file, uri) : null;
            await using var host = new ChannelHost();
            var instance = host.Attach("instance", uri, Options(parsed, audit, linkLoss));
            if (waitReady)
            {
                await WaitReadyAsync(instance, TimeSpan.FromSeconds(parsed.GetValue(_timeout)), cancellationToken);
            }

            return await action(instance, cancellationToken);
        }
        catch (Exception e)
        {
            return Failure.Tell(e, SafeText.Escape(uri, 200));
        }
    }

    private InstanceOptions Options(ParseResult parsed, AuditFile? audit, TimeSpan? linkLoss)
    {
        var usual = new InstanceOptions();
        return usual with
        {
            QgaSocket = parsed.GetValue(_qga),
            Alarm = static text => Console.Error.WriteLine($"channelctl: {SafeText.Escape(text)}"),
            Policy = parsed.GetValue(_policy) is { } file ? HostPolicy.Load(file) : HostPolicy.Open,
            Audit = audit is null ? null : audit.Write,
            CallTimeout = CallTimeout(parsed),
            Channel = linkLoss is { } time ? usual.Channel with { Session = usual.Channel.Session with { ResumeTimeout = time } } : usual.Channel,
        };
    }

    private static async Task WaitReadyAsync(Instance instance, TimeSpan timeout, CancellationToken cancellationToken)
    {
        try
        {
            await instance.WaitReadyAsync(timeout, cancellationToken);
        }
        catch (ChannelException e) when (e.Code == ChannelError.DeadlineExceeded)
        {
            throw instance.Channel.Status.LastError ?? new ChannelException(ChannelError.EndpointMissing, ErrorClass.Retry,
                $"no agent answered within {timeout.TotalSeconds:0.#} s; the transport is there, so the guest may still boot, or its agent may not run");
        }
    }
}
