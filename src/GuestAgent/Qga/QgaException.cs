namespace ChannelSdk.GuestAgent.Qga;

/// <summary>An error that the client of the face gets as its reply.</summary>
/// <param name="description">The reply's <c>desc</c>.</param>
/// <param name="errorClass">The reply's <c>class</c>; the protocol has few.</param>
internal sealed class QgaException(string description, string errorClass = QgaException.Generic) : Exception(description)
{
    public const string Generic = "GenericError";
    public const string CommandNotFound = "CommandNotFound";

    /// <summary>The reply's <c>class</c>.</summary>
    public string Class => errorClass;

    /// <summary>A command that exists and may not be called now.</summary>
    /// <param name="command">Its name.</param>
    /// <param name="reason">Why; empty if the text needs no reason.</param>
    public static QgaException Disabled(string command, string reason = "") =>
        new($"Command {command} has been disabled{(reason.Length > 0 ? ": " : "")}{reason}", CommandNotFound);
}
