using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Channels;

/// <summary>Is told of the calls that this side makes, to count and to measure them.</summary>
public interface ICallObserver
{
    /// <summary>Whether calls that begin now are measured. While it is false, a call costs nothing more than this question.</summary>
    bool IsEnabled { get; }

    /// <summary>
    /// A call, or a stream that was disposed of, has ended. It is called on the thread that ends it: return at once. What it throws is told as
    /// <see cref="ChannelEventKind.Fault"/>.
    /// </summary>
    /// <param name="method">What was called.</param>
    /// <param name="duration">From its begin to its end.</param>
    /// <param name="outcome">None if it ended well.</param>
    void OnCallEnded(MethodDescriptor method, TimeSpan duration, ChannelError outcome);
}
