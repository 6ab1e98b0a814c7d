using ChannelSdk.Channels;
using ChannelSdk.GuestAgent.Configuration;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Agent;
using ChannelSdk.Transports.Schemes;

namespace ChannelSdk.GuestAgent.CommandLine;

/// <summary><c>channel-agent status</c>: asks the running daemon over its control socket.</summary>
internal static class StatusCommand
{
    private static readonly TimeSpan s_answerTime = TimeSpan.FromSeconds(3);

    public static int Execute(AgentArguments arguments)
    {
        var config = ConfigReader.Load(arguments.ConfigFile, arguments.Overrides, names: null);
        if (config.ControlSocket is not { } path)
        {
            return Say(ExitCode.Unknown, "the control socket is switched off (control_socket = \"none\")");
        }

        return AskAsync(path, arguments.Json).GetAwaiter().GetResult();
    }

    private static async Task<int> AskAsync(string path, bool json)
    {
        var channel = new Channel(
            PeerRole.Host, TransportEndpoints.Create("unix://" + path), new ServiceRegistry(), GuestOptions.Local);
        using var timeout = new CancellationTokenSource(s_answerTime);
        var failure = FirstFailureAsync(channel, timeout.Token);
        try
        {
            channel.Start();
            var answer = channel.CallAsync(
                AgentMethods.Status, new AgentStatusRequest(), new CallOptions(s_answerTime), timeout.Token).AsTask();
            if (await Task.WhenAny(answer, failure).ConfigureAwait(false) == failure && await failure.ConfigureAwait(false) is { } failed)
            {
                return Explain(failed, path);
            }

            var status = await answer.ConfigureAwait(false);
            StandardStream.WriteLine(StandardStream.Output, json ? StatusRenderer.Json(status) : StatusRenderer.Text(status));
            return StatusRenderer.ExitCodeOf(status);
        }
        catch (Exception e) when (e is ChannelException or OperationCanceledException)
        {
            return Say(ExitCode.Unknown, $"no answer from the agent at {path} within {s_answerTime.TotalSeconds} s ({e.Message})");
        }
        finally
        {
            await channel.DisposeAsync().ConfigureAwait(false);
        }
    }

    private static async Task<ChannelEvent?> FirstFailureAsync(Channel channel, CancellationToken cancellationToken)
    {
        try
        {
            await foreach (var happened in channel.WatchAsync(cancellationToken).ConfigureAwait(false))
            {
                if (happened.Kind == ChannelEventKind.EndpointFailed)
                {
                    return happened;
                }
            }
        }
        catch (OperationCanceledException)
        {
        }

        return null;
    }

    private static int Explain(ChannelEvent failed, string path) => failed.Error switch
    {
        ChannelError.EndpointMissing => Say(ExitCode.NotRunning, $"not running: nobody listens at {path}"),
        ChannelError.EndpointDenied => Say(ExitCode.Unknown, $"this user may not use {path}; ask as the user that runs the agent (root)"),
        _ => Say(ExitCode.Unknown, failed.Text),
    };

    private static int Say(int exitCode, string text)
    {
        StandardStream.WriteLine(StandardStream.Error, $"channel-agent: {LogText.Escape(text, 500)}");
        return exitCode;
    }
}
