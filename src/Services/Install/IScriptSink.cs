using ChannelSdk.Protocol.Services;

namespace ChannelSdk.Services.Install;

/// <summary>Takes what a half sends and reports. Calls may come at the same time; a call may wait, and the script then waits too.</summary>
public interface IScriptSink
{
    /// <summary>To the other half, in the order of the calls.</summary>
    /// <param name="kind">Message, Barrier or Received.</param>
    /// <param name="content">What goes behind the kind; belongs to the caller again when the task ends.</param>
    ValueTask SendAsync(InstallMessage kind, ReadOnlyMemory<byte> content);

    /// <summary>The half's progress has changed.</summary>
    ValueTask ProgressAsync(InstallProgress progress);

    /// <summary>The half has a line for the log.</summary>
    ValueTask LogAsync(InstallLog line);

    /// <summary>The half has set its result, in the place of an earlier one.</summary>
    ValueTask ResultAsync(ReadOnlyMemory<byte> result);
}
