namespace ChannelSdk.Protocol.Errors;

/// <summary>The one exception family of the SDK: a stable code, what may be concluded, and where it happened.</summary>
public class ChannelException : Exception
{
    /// <summary>Makes an exception.</summary>
    /// <param name="code">The stable code.</param>
    /// <param name="errorClass">What the caller may conclude.</param>
    /// <param name="message">What happened and, for a person's mistake, what to do.</param>
    /// <param name="inner">The cause, if there is one.</param>
    public ChannelException(ChannelError code, ErrorClass errorClass, string message, Exception? inner = null)
        : base(message, inner)
    {
        Code = code;
        Class = errorClass;
    }

    /// <summary>The stable numeric code.</summary>
    public ChannelError Code { get; }

    /// <summary>What the caller may conclude.</summary>
    public ErrorClass Class { get; }

    /// <summary>The layer, which the code's hundreds digit tells.</summary>
    public ErrorOrigin Origin => (ErrorOrigin)Math.Max(0, (int)Code / 100 - 1);
}
