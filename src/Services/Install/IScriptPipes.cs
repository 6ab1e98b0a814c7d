using ChannelSdk.Channels;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.Services.Install;

/// <summary>Joins the tools of one half that send or receive a stream with those of the other half.</summary>
public interface IScriptPipes
{
    /// <summary>Serves one tool until its stream has been moved as a whole (half.proto).</summary>
    /// <param name="request">What the tool asks, its name checked.</param>
    /// <param name="tool">The tool's half.Pipe.</param>
    /// <param name="cancellationToken">Fires when the tool has gone.</param>
    /// <exception cref="Protocol.Errors.ChannelException">Why it was not.</exception>
    Task MoveAsync(ScriptPipeRequest request, ChannelStream tool, CancellationToken cancellationToken);
}
