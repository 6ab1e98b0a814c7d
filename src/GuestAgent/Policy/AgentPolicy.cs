using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.GuestAgent.Policy;

/// <summary>
/// Asks the rules, refuses and keeps the audit record. Each question goes to the rules of that moment, so a reload holds
/// from the next call on. Thread-safe.
/// </summary>
/// <param name="rules">The rules that hold from the start.</param>
/// <param name="audit">The record of refusals and privileged calls.</param>
internal sealed class AgentPolicy(PolicyRules rules, AuditLog audit)
{
    private const int MaxNotedVariables = 20;
    private volatile PolicyRules _current = rules;

    /// <summary>The rules that hold now.</summary>
    public PolicyRules Current
    {
        get => _current;
        set => _current = value;
    }

    /// <summary>Where refusals and privileged calls are noted.</summary>
    public AuditLog Audit => audit;

    /// <summary>Returns if a method may be called.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.PermissionDenied"/>.</exception>
    public void RequireMethod(string name)
    {
        if (!Current.AllowsMethod(name))
        {
            throw Denied(name, $"the image's policy does not allow {name}");
        }
    }

    /// <summary>Returns if a program may be run; the program and the names of its variables are noted, arguments and values are not.</summary>
    /// <param name="argv">The program's absolute path, then its arguments.</param>
    /// <param name="variables">"NAME=value" each.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.InvalidArgument"/> for no or no absolute program or a zero character; <see cref="ChannelError.PermissionDenied"/>.</exception>
    public void CheckCommand(IReadOnlyList<string> argv, IReadOnlyList<string> variables)
    {
        if (argv.Count == 0 || !PathPrefix.IsPlain(argv[0]) || argv.Any(static word => word.Contains('\0', StringComparison.Ordinal)))
        {
            throw new ChannelException(ChannelError.InvalidArgument, ErrorClass.Refused,
                "a command is the absolute path of a program without . and .. parts and its arguments, none with a zero character");
        }

        var names = string.Join(", ", variables.Take(MaxNotedVariables).Select(static variable => EnvironmentPattern.NameOf(variable).ToString()));
        var what = $"running {argv[0]} with {argv.Count - 1} arguments{(variables.Count == 0 ? ""
            : $" and {variables.Count} variables ({names}{(variables.Count > MaxNotedVariables ? ", ..." : "")})")}";
        var rules = Current;
        if (!rules.AllowsCommand(argv))
        {
            throw Denied(what, $"the image's policy has no [[exec]] that allows {argv[0]} with these arguments");
        }

        if (!rules.AllowsCommand(argv, variables))
        {
            throw Denied(what, $"the image's policy does not let {argv[0]} have all of the variables {names}; an [[exec]] lists them: environment = [\"NAME\"]");
        }

        audit.Privileged(what);
    }

    /// <summary>Returns if a file or folder may be read.</summary>
    /// <param name="path">Absolute, without empty, . and .. parts.</param>
    /// <returns>The allowed folder or file that it lies in; the caller that opens the path must stay beneath it, links included.</returns>
    /// <exception cref="ChannelException"><see cref="ChannelError.InvalidArgument"/> for another kind of path; <see cref="ChannelError.PermissionDenied"/>.</exception>
    public string CheckRead(string path) => Find(Current.Readable, path, "read") ?? throw Denied($"reading {path}",
        "the path is in none of the policy's readable folders ([files] read)");

    /// <summary>Returns if a file or folder may be written, made or removed; it is noted.</summary>
    /// <param name="path">Absolute, without empty, . and .. parts.</param>
    /// <returns>The allowed folder or file that it lies in; the caller that opens the path must stay beneath it, links included.</returns>
    /// <exception cref="ChannelException"><see cref="ChannelError.InvalidArgument"/> for another kind of path; <see cref="ChannelError.PermissionDenied"/>.</exception>
    public string CheckWrite(string path)
    {
        var folder = Find(Current.Writable, path, "written") ?? throw Denied($"writing {path}",
            "the path is in none of the policy's writable folders ([files] write)");
        audit.Privileged($"writing {path}");
        return folder;
    }

    private static string? Find(IReadOnlyList<string> folders, string path, string verb) => PathPrefix.IsPlain(path)
        ? PathPrefix.Find(folders, path)
        : throw new ChannelException(ChannelError.InvalidArgument, ErrorClass.Refused,
            $"what is to be {verb} must be an absolute path of at most 4095 bytes without empty, . and .. parts");

    private ChannelException Denied(string what, string reason)
    {
        audit.Refused(what, reason);
        return new ChannelException(ChannelError.PermissionDenied, ErrorClass.Refused, reason);
    }
}
